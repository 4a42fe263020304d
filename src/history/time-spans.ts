/** Sums over equal spans of time: few of them, however long all of it is. */
export interface Span {
  /** Milliseconds since the beginning. */
  readonly startMs: number;
  requests: number;
  promptTokens: number;
  /** Of those, the ones of prompts that something was predicted of. */
  lookedUpTokens: number;
  predictedTokens: number;
  reachableTokens: number;
}

export type SpanSums = Omit<Span, 'startMs'>;

export const NO_TOKENS = {
  promptTokens: 0,
  lookedUpTokens: 0,
  predictedTokens: 0,
  reachableTokens: 0,
} as const;

const FIRST_WIDTH_MS = 1_000;
const MAX_SPANS = 24;

export class TimeSpans {
  #widthMs = FIRST_WIDTH_MS;
  #spans: Span[] = [];

  get widthMs(): number {
    return this.#widthMs;
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }

  add(atMs: number, sums: SpanSums): void {
    while (atMs >= MAX_SPANS * this.#widthMs) this.#widen();
    const place = Math.floor(atMs / this.#widthMs);
    while (this.#spans.length <= place) this.#spans.push(emptyAt(this.#spans.length * this.#widthMs));
    addTo(this.#spans[place]!, sums);
  }

  #widen(): void {
    this.#widthMs *= 2;
    const merged: Span[] = [];
    for (const [i, span] of this.#spans.entries()) {
      if (i % 2 === 0) merged.push(span);
      else addTo(merged.at(-1)!, span);
    }
    this.#spans = merged;
  }
}

function emptyAt(startMs: number): Span {
  return { startMs, ...NO_TOKENS, requests: 0 };
}

function addTo(span: Span, sums: SpanSums): void {
  span.requests += sums.requests;
  span.promptTokens += sums.promptTokens;
  span.lookedUpTokens += sums.lookedUpTokens;
  span.predictedTokens += sums.predictedTokens;
  span.reachableTokens += sums.reachableTokens;
}
