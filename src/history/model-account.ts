import type { MooncakeLine } from '../simulation/trace/mooncake.ts';
import type { HitRate, HotPrefix, ModelHistory } from './history.ts';
import { LogHistogram } from './log-histogram.ts';
import { Named } from './named.ts';
import type { RecordedFields } from './recorded-fields.ts';
import { type Reuse, type SeenBlock, SeenBlocks } from './seen-blocks.ts';
import { NO_TOKENS, TimeSpans } from './time-spans.ts';

/** Of times and distances: within a fifth. */
const COARSE = 4;
/** Of times to the first byte: within some 4 %. */
const FINE = 16;

/** What is gathered of one model's requests, in bounded memory. */
export class ModelAccount {
  readonly model: string;
  readonly #blocks: SeenBlocks;
  #requests = 0;
  #prompts = 0;
  #promptTokens = 0;
  #reachableTokens = 0;
  readonly #outcomes = new Named(name => ({ name, requests: 0 }));
  readonly #predicted = new Tokens();
  readonly #reported = new Tokens();
  readonly #arms = new Named(arm => ({ arm, tokens: new Tokens() }));
  readonly #overTime = new TimeSpans();
  readonly #sinceMs = new LogHistogram(COARSE);
  readonly #newTokensSince = new LogHistogram(COARSE);
  readonly #pods = new Named(pod => ({ pod, requests: 0, promptTokens: 0, computedTokens: 0 }));
  readonly #reasons = new Named(reason => ({ reason, requests: 0, firstByteMs: new LogHistogram(FINE) }));

  constructor(model: string, maxBlocks: number) {
    this.model = model;
    this.#blocks = new SeenBlocks(maxBlocks);
  }

  /** @param atMs since the first of all requests */
  add(prompt: MooncakeLine['prompt'], recorded: RecordedFields, atMs: number): void {
    const { outcome, reason, firstByteMs, pod } = recorded;
    this.#requests++;
    if (outcome !== undefined) this.#outcomes.of(outcome).requests++;
    if (pod !== undefined) this.#pods.of(pod).requests++;
    if (reason !== undefined) {
      const ofReason = this.#reasons.of(reason);
      ofReason.requests++;
      if (firstByteMs !== undefined) ofReason.firstByteMs.add(firstByteMs);
    }
    if (prompt === undefined) {
      this.#overTime.add(atMs, { ...NO_TOKENS, requests: 1 });
      return;
    }
    const reuse = this.#blocks.add(prompt, atMs, (tokens, sinceMs, newTokensSince) => {
      this.#sinceMs.add(sinceMs, tokens);
      this.#newTokensSince.add(newTokensSince, tokens);
    });
    if (reuse.last !== undefined) saved(reuse, reuse.last, pod);
    this.#addTokens(prompt.inputTokens, reuse.tokens, recorded, atMs);
  }

  #addTokens(promptTokens: number, reachableTokens: number, recorded: RecordedFields, atMs: number): void {
    const { predictedTokens, reported, arm, pod } = recorded;
    this.#prompts++;
    this.#promptTokens += promptTokens;
    this.#reachableTokens += reachableTokens;
    const looked =
      predictedTokens === undefined ? undefined : { lookedUpTokens: promptTokens, predictedTokens };
    this.#overTime.add(atMs, { ...NO_TOKENS, requests: 1, promptTokens, reachableTokens, ...looked });
    if (reported !== undefined) this.#reported.add(reported.promptTokens, reported.cachedTokens);
    if (predictedTokens === undefined) return;
    this.#predicted.add(promptTokens, predictedTokens);
    if (arm !== undefined) this.#arms.of(arm).tokens.add(promptTokens, predictedTokens);
    if (pod === undefined) return;
    const ofPod = this.#pods.of(pod);
    ofPod.promptTokens += promptTokens;
    ofPod.computedTokens += Math.max(0, promptTokens - predictedTokens);
  }

  /** @param top hot prefixes at the most */
  history(top: number): ModelHistory {
    const pods = this.#pods.values().sort((one, other) => other.promptTokens - one.promptTokens);
    const computed = pods.map(({ computedTokens }) => computedTokens);
    const all = computed.reduce((sum, tokens) => sum + tokens, 0);
    return {
      ...{ model: this.model, requests: this.#requests, prompts: this.#prompts },
      outcomes: this.#outcomes.values(),
      ...{ promptTokens: this.#promptTokens, reachableTokens: this.#reachableTokens },
      ...{ predicted: this.#predicted.rate(), reported: this.#reported.rate() },
      arms: this.#arms.values().map(({ arm, tokens }) => ({ arm, ...tokens.rate() })),
      ...{ spanMs: this.#overTime.widthMs, overTime: this.#overTime.spans },
      reuse: {
        tokens: this.#sinceMs.total,
        bySinceMs: this.#sinceMs.cumulative(),
        byNewTokens: this.#newTokensSince.cumulative(),
      },
      hotPrefixes: hottest(this.#blocks.values(), top),
      pods,
      imbalance: all === 0 ? 0 : (Math.max(...computed) * computed.length) / all,
      reasons: this.#reasons
        .values()
        .sort((one, other) => other.requests - one.requests)
        .map(({ reason, requests, firstByteMs }) => ({
          ...{ reason, requests, firstBytes: firstByteMs.total },
          firstByteP50Ms: firstByteMs.quantile(0.5),
          firstByteP99Ms: firstByteMs.quantile(0.99),
        })),
      forgottenBlocks: this.#blocks.forgotten,
    };
  }
}

/** Prompt tokens, and those of them that were cached. */
class Tokens {
  #requests = 0;
  #promptTokens = 0;
  #cachedTokens = 0;

  add(promptTokens: number, cachedTokens: number): void {
    this.#requests++;
    this.#promptTokens += promptTokens;
    this.#cachedTokens += cachedTokens;
  }

  rate(): HitRate {
    const [promptTokens, cachedTokens] = [this.#promptTokens, this.#cachedTokens];
    const hitRate = promptTokens === 0 ? 0 : cachedTokens / promptTokens;
    return { requests: this.#requests, promptTokens, cachedTokens, hitRate };
  }
}

const MAX_PODS_OF_A_PREFIX = 100;

function saved({ tokens }: Reuse, last: SeenBlock, pod: string | undefined): void {
  last.requests++;
  last.savedTokens += tokens;
  if (pod === undefined) return;
  last.pods ??= new Set();
  if (last.pods.size < MAX_PODS_OF_A_PREFIX) last.pods.add(pod);
}

function hottest(blocks: Iterable<SeenBlock>, top: number): HotPrefix[] {
  return Array.from(blocks)
    .filter(({ requests }) => requests > 0)
    .sort((one, other) => other.savedTokens - one.savedTokens)
    .slice(0, top)
    .map(({ id, depthTokens, requests, savedTokens, pods = [] }) => ({
      ...{ id, tokens: depthTokens, requests, savedTokens, pods: [...pods].sort() },
    }));
}
