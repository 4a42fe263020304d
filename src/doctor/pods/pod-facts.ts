/** What was seen of one pod; the checks make findings of it. Whatever an engine said is untrusted: print it by `printable`. */
import type { KvPublisher, Pod } from '../../domain.ts';
import type { EngineProfile } from '../../pods/engine-profile.ts';
import type { Asked } from '../asking.ts';

export interface PodFacts {
  readonly pod: Pod;
  readonly health: Asked;
  readonly profile: EngineProfile;
  /** `GET /v1/models`, with the key where one is configured. */
  readonly models: Asked;
  readonly hasKey: boolean;
  readonly metrics: EngineMetricsFacts;
  readonly events: EventsFacts;
  readonly tokens: TokensFacts;
  readonly prompts: readonly PromptFacts[];
}

/** What of the router's configuration the checks compare with. */
export interface PodExpectations {
  /** A short prompt that takes half of it to tokenize leaves none for long ones. */
  readonly decisionTimeoutMs: number;
}

/** As `/metrics` says; undefined: it does not. */
export interface EngineMetricsFacts {
  readonly engine: 'vllm' | 'sglang' | 'trtllm' | undefined;
  readonly blockSizeTokens: number | undefined;
  readonly prefixCaching: boolean | undefined;
  /** Data-parallel ranks that have series of their own. */
  readonly ranks: number | undefined;
}

export type EventsFacts =
  /** `why`, in words. */
  | { readonly kind: 'not_followed'; readonly why: string }
  /** The pod's entry has none, or its engine does not say where. */
  | { readonly kind: 'nowhere'; readonly why: 'unconfigured' | 'off' | 'unknown' }
  | { readonly kind: 'followed'; readonly ranks: readonly RankFacts[] };

export interface RankFacts {
  readonly publisher: KvPublisher;
  readonly link:
    | { readonly kind: 'connected' }
    | { readonly kind: 'failed'; readonly why: string }
    /** The handshake did not end in time. */
    | { readonly kind: 'silent' };
  readonly batches: number;
  /** Batches or messages that could not be read; what was wrong with the first. */
  readonly unreadable: number;
  readonly firstUnreadable: string | undefined;
  readonly blockSizes: readonly number[];
  /** That batches name. */
  readonly ranksNamed: readonly number[];
  readonly replay: ReplayFacts;
}

export type ReplayFacts =
  | { readonly kind: 'none' | 'not_asked' }
  | { readonly kind: 'failed'; readonly why: string }
  /** It answers; `same`: with what came live, `unknown`: nothing came live. */
  | { readonly kind: 'answered'; readonly publisher: 'same' | 'another' | 'unknown' };

export type TokensFacts =
  /** Tokens are made locally: engines are not asked. */
  { readonly kind: 'local' } | { readonly kind: 'asked'; readonly answers: readonly TokensAnswer[] };

/** Of one endpoint, with the same prompt at every pod. */
export interface TokensAnswer {
  readonly path: string;
  readonly outcome:
    | {
        readonly kind: 'tokens';
        readonly by: 'render' | 'tokenize';
        readonly ids: Uint32Array;
        readonly tookMs: number;
      }
    | { readonly kind: 'none'; readonly why: string };
}

/** What came of a small prompt that was sent to be generated from. */
export interface PromptFacts {
  readonly path: string;
  readonly outcome: /** The endpoint is not served, or its prompts have no tokens: nothing to compare. */
    | { readonly kind: 'not_comparable'; readonly why: string }
    | { readonly kind: 'refused'; readonly why: string }
    | {
        readonly kind: 'found';
        readonly tokens: number;
        readonly blocks: number;
        readonly blockSizeTokens: number;
        readonly rank: number;
        /** From the answer to when its blocks were found; 0: before. */
        readonly afterMs: number;
      }
    /** The first token that differs, and what stands there. */
    | {
        readonly kind: 'differs';
        readonly at: number;
        readonly ours: number;
        readonly theirs: number | undefined;
      }
    /** The tokens are equal; what became of the events, in words. */
    | { readonly kind: 'not_understood'; readonly what: string }
    | { readonly kind: 'unannounced'; readonly batches: number; readonly waitedMs: number };
}
