/** What the engine counts, with the meaning that vLLM gives to its metrics. */

/** How a generation ended. */
export type Ending = 'stop' | 'length' | 'abort';

/** Upper bounds in seconds; vLLM's for `time_to_first_token_seconds`. */
export const FIRST_TOKEN_BUCKETS: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
  2560,
];

/** A histogram of which only its mean matters. */
export class Observed {
  count = 0;
  sum = 0;

  add(value: number): void {
    this.count++;
    this.sum += value;
  }
}

export class EngineStats {
  promptTokens = 0;
  /** Of `promptTokens`, those that were found in the cache. */
  cachedTokens = 0;
  generatedTokens = 0;
  preemptions = 0;
  readonly finishedRequests: Record<Ending, number> = { stop: 0, length: 0, abort: 0 };
  /** One count per bucket, not cumulated; the last is for what exceeds every bound. */
  readonly firstTokenCounts: number[] = new Array<number>(FIRST_TOKEN_BUCKETS.length + 1).fill(0);
  firstTokenSeconds = 0;
  /** Of finished requests, in tokens. */
  readonly promptLengths = new Observed();
  readonly generationLengths = new Observed();
  readonly queueSeconds = new Observed();
  readonly prefillSeconds = new Observed();
  readonly decodeSeconds = new Observed();

  prefilled(promptTokens: number, cachedTokens: number): void {
    this.promptTokens += promptTokens;
    this.cachedTokens += cachedTokens;
  }

  firstToken(elapsedMs: number): void {
    const seconds = elapsedMs / 1_000;
    const bucket = FIRST_TOKEN_BUCKETS.findIndex(bound => seconds <= bound);
    this.firstTokenCounts[bucket < 0 ? FIRST_TOKEN_BUCKETS.length : bucket]!++;
    this.firstTokenSeconds += seconds;
  }

  generated(): void {
    this.generatedTokens++;
  }

  preempted(): void {
    this.preemptions++;
  }

  finished(reason: Ending): void {
    this.finishedRequests[reason]++;
  }
}
