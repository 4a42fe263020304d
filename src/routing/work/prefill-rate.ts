/** Announcements of one step come together. */
const SAME_STEP_MS = 1;
/** Fewer say little: a small chunk takes a step's fixed time and waits for the step before. */
const TOKENS_TO_KNOW = 4_096;
/** After so many more tokens what was seen counts half. */
const HALF_LIFE_TOKENS = 262_144;
/** A step counts at most so many times as slow or as fast as the ones before: an event that was lost looks like a very long one. */
const OUTLIER = 8;
const LEAST_TOKENS_PER_MS = 0.01;
const MOST_TOKENS_PER_MS = 10_000;

/**
 * How fast an engine computes prompts, learned from when it announces them: tokens of each step against the time since the step before, or
 * since the oldest prompt that waits was sent, whichever is later. Least squares through zero, so that a step counts by the square of its
 * tokens: large ones say how fast it is, small ones how long a step takes at least. What was seen fades with what is computed.
 */
export class PrefillRate {
  /** Sums over steps, faded: tokens², and tokens × ms. */
  #squares = 0;
  #products = 0;
  #seenTokens = 0;
  /** The step that the last announcement was of. */
  #lastMs = Number.NEGATIVE_INFINITY;
  #stepTokens = 0;
  #stepMs = 0;

  /** Tokens per millisecond; undefined: too little has been seen. */
  get tokensPerMs(): number | undefined {
    if (this.#seenTokens < TOKENS_TO_KNOW) return undefined;
    return Math.min(MOST_TOKENS_PER_MS, Math.max(LEAST_TOKENS_PER_MS, this.#squares / this.#products));
  }

  /**
   * So many prompt tokens have been announced as computed.
   *
   * @param waitingSinceMs when the oldest of the prompts that are not computed was sent
   */
  computed(tokens: number, waitingSinceMs: number, nowMs: number): void {
    if (nowMs - this.#lastMs >= SAME_STEP_MS) {
      this.#endStep();
      this.#stepMs = nowMs - Math.max(this.#lastMs, waitingSinceMs);
      this.#lastMs = nowMs;
    }
    this.#stepTokens += tokens;
  }

  #endStep(): void {
    const tokens = this.#stepTokens;
    const known = this.tokensPerMs;
    const expected = known === undefined ? this.#stepMs : tokens / known;
    const ms = Math.min(expected * OUTLIER, Math.max(expected / OUTLIER, this.#stepMs));
    this.#stepTokens = 0;
    if (!(tokens > 0 && ms > 0)) return;
    const fade = 2 ** (-tokens / HALF_LIFE_TOKENS);
    this.#squares = fade * this.#squares + tokens * tokens;
    this.#products = fade * this.#products + tokens * ms;
    this.#seenTokens += tokens;
  }
}
