import type { Sequence } from './engine/sequence.ts';

/** Mean and percentiles by nearest rank, of milliseconds. */
export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** What one run of one policy has given: of the requests after the warm-up; what pods have computed is of all. */
export interface Measured {
  readonly requests: number;
  /** Too long for the cache they were sent to. */
  readonly refused: number;
  readonly promptTokens: number;
  /** Of the prompts' tokens, those that their engine had. */
  readonly cachedTokens: number;
  /** Of the prompts' tokens, those that one cache without bounds, shared by all, would have had. */
  readonly reachableTokens: number;
  /** `cachedTokens` of `promptTokens`. */
  readonly hitRate: number;
  /** `cachedTokens` of `reachableTokens`; 0 where there is nothing to be reached. */
  readonly hitRateOfReachable: number;
  /** From a request's arrival to its first token. */
  readonly firstTokenMs: Distribution;
  /** From a request's arrival to the step that first computes a part of it. */
  readonly queueMs: Distribution;
  /** From a request's arrival to its last token. */
  readonly requestMs: Distribution;
  /** Prompt tokens computed by the pod that computed most, over the mean of all. */
  readonly imbalance: number;
  /** Prompt tokens that each pod computed, again after preemptions included. */
  readonly computedTokens: readonly number[];
  /** Share of decisions whose predicted match is what the engine then reused. */
  readonly accuracy: number;
  /** Share of decisions that predicted more than was reused. */
  readonly overpredicted: number;
  /** Share of the requests that went to a pod in another zone than theirs. */
  readonly otherZone: number;
  readonly preemptions: number;
  /** When the last request ended. */
  readonly endMs: number;
  /** The share of the pods' time that computing prompts took. */
  readonly utilization: number;
}

/** Numbers, 8 bytes each, with room for more. */
class Samples {
  #values = new Float64Array(1_024);
  #length = 0;

  add(value: number): void {
    if (this.#length === this.#values.length) {
      const values = new Float64Array(2 * this.#length);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.#length++] = value;
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.#length).sort();
  }
}

/** Gathers what happens to requests. */
export class Measures {
  readonly #firstToken = new Samples();
  readonly #queue = new Samples();
  readonly #request = new Samples();
  #requests = 0;
  #refused = 0;
  #promptTokens = 0;
  #cachedTokens = 0;
  #reachableTokens = 0;
  #accurate = 0;
  #overpredicted = 0;
  #leftZone = 0;

  arrived({ request: { inputTokens } }: Sequence, reachableTokens: number): void {
    this.#requests++;
    this.#promptTokens += inputTokens;
    this.#reachableTokens += reachableTokens;
  }

  gotFirstToken(afterMs: number): void {
    this.#firstToken.add(afterMs);
  }

  leftZone(): void {
    this.#leftZone++;
  }

  /** Sorted. */
  get firstTokensMs(): Float64Array {
    return this.#firstToken.sorted();
  }

  refused(): void {
    this.#refused++;
  }

  admitted({ cachedTokens = 0 }: Sequence, waitedMs: number, predictedTokens: number): void {
    this.#queue.add(waitedMs);
    this.#cachedTokens += cachedTokens;
    if (cachedTokens === predictedTokens) this.#accurate++;
    else if (cachedTokens < predictedTokens) this.#overpredicted++;
  }

  ended(tookMs: number): void {
    this.#request.add(tookMs);
  }

  measured(
    computedTokens: readonly number[],
    rest: Pick<Measured, 'preemptions' | 'endMs' | 'utilization'>,
  ): Measured {
    const admitted = this.#requests - this.#refused;
    const total = computedTokens.reduce((sum, tokens) => sum + tokens, 0);
    return {
      requests: this.#requests,
      refused: this.#refused,
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      reachableTokens: this.#reachableTokens,
      hitRate: share(this.#cachedTokens, this.#promptTokens),
      hitRateOfReachable: share(this.#cachedTokens, this.#reachableTokens),
      firstTokenMs: distributionOf(this.firstTokensMs),
      queueMs: distributionOf(this.#queue.sorted()),
      requestMs: distributionOf(this.#request.sorted()),
      imbalance: share(Math.max(...computedTokens) * computedTokens.length, total),
      computedTokens,
      accuracy: share(this.#accurate, admitted),
      overpredicted: share(this.#overpredicted, admitted),
      otherZone: share(this.#leftZone, admitted),
      ...rest,
    };
  }
}

export function distributionOf(sorted: Float64Array): Distribution {
  const at = (percent: number) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
  let sum = 0;
  for (const value of sorted) sum += value;
  return { mean: share(sum, sorted.length), p50: at(50), p90: at(90), p99: at(99) };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
