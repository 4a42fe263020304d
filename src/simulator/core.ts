/** What the HTTP handlers share: the options and the parts of one simulated engine. */
import type { ChatMessage } from './chat-template.ts';
import type { Clock } from './clock.ts';
import type { EventEncoding } from './event-encoding.ts';
import type { EventPublisher } from './events.ts';
import type { KvCache } from './kv-cache.ts';
import type { CostModel, Scheduler } from './scheduler.ts';
import type { EngineStats } from './stats.ts';

export interface EngineOptions {
  /** For logs and tests; never sent. */
  readonly name: string;
  /** IPv4 address to bind all ports to. */
  readonly host: string;
  /** 0 lets the system choose, here and below. */
  readonly httpPort: number;
  /** 'off': no events, as without `--kv-events-config`. */
  readonly eventsPort: number | 'off';
  readonly replayPort: number | 'off';
  readonly model: string;
  /** Names of LoRA adapters, served as models; their blocks are cached apart. */
  readonly adapters: readonly string[];
  readonly blockSizeTokens: number;
  /** Usable blocks of the KV cache. */
  readonly cacheBlocks: number;
  /** Prompt and answer together; lowered to what the cache holds. */
  readonly maxModelLen: number;
  /** 'map' since vLLM 0.24, 'array' before; also selects the replay's frames. */
  readonly eventEncoding: EventEncoding;
  /** First frame of every published message. */
  readonly topic: string;
  /** What `/version` says. Below 0.24 the HTTP answers are those of 0.23, else those of 0.32. */
  readonly version: string;
  /** Which `…/render` endpoints answer: 0.23 has two; 0.32 has four, or refuses them (403) without `--enable-scale-out`. */
  readonly render: 'all' | 'chat-and-completions' | 'off';
  /** 'kept': as with `VLLM_ENABLE_RESPONSES_API_STORE=1`. */
  readonly responses: 'kept' | 'forgotten';
  readonly cost: CostModel;
  /** What the chat template begins with where a chat has no system message of its own; '' for nothing. */
  readonly defaultSystemPrompt: string;
  /** Prompts are computed and published in chunks of this many tokens. */
  readonly prefillChunkTokens: number;
  readonly clock: Clock;
  /** Batches kept for replay. */
  readonly replayBufferSteps: number;
  /** Root of the block hashes. vLLM's are alike in all engines since 0.29 and differ in every process before. */
  readonly hashSeed: string;
}

/** One request that generates or embeds; the newest last. */
export interface RequestLogEntry {
  readonly path: string;
  readonly model: string;
  readonly promptTokens: number;
  /** 0 until its prefill starts. */
  cachedTokens: number;
  /** Arrival, milliseconds since the epoch. */
  readonly at: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface EngineCore {
  readonly options: EngineOptions;
  /** Whose HTTP answers to give. */
  readonly dialect: '0.23' | '0.32';
  readonly cache: KvCache;
  readonly scheduler: Scheduler;
  readonly publisher: EventPublisher;
  readonly stats: EngineStats;
  readonly requests: RequestLogEntry[];
  readonly keptResponses: Map<string, KeptResponse>;
}

/** What a later request may show or continue. */
export interface KeptResponse {
  readonly response: object;
  readonly messages: readonly ChatMessage[];
}

export function nowSeconds(core: EngineCore): number {
  return Math.floor(core.options.clock.now() / 1_000);
}
