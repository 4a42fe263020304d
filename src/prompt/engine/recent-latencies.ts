/**
 * How long tokenizing has taken lately, by the prompt's size, and from that, how long is longer than usual. A prompt of
 * megabytes takes a hundred times as long as a question: they are not compared.
 */

/** Samples that are kept of each size class. */
const SAMPLES = 32;
/** Fewer say nothing yet. */
const ENOUGH = 4;
/** A class holds the prompts of up to four times the size of those before it. */
const CLASSES = 16;

/** Of a size class that nothing is known of: more than a warm engine needs for a long prompt, less than anybody's patience. */
const UNKNOWN_MS = 100;
/** Below it, timers and a busy event loop are what is measured. */
const LEAST_MS = 10;
/** What only one call in twenty takes, and some more, so that a second call stays the exception. */
const QUANTILE = 0.95;
const MARGIN = 1.25;

export class RecentLatencies {
  readonly #classes = Array.from({ length: CLASSES }, () => ({ count: 0, ms: new Float64Array(SAMPLES) }));

  /** A call for a prompt of so many bytes was answered after `ms`, or had not been after it when it was cancelled. */
  note(bytes: number, ms: number): void {
    const samples = this.#classes[classOf(bytes)]!;
    samples.ms[samples.count++ % SAMPLES] = ms;
  }

  /** After so many milliseconds, a call for a prompt of so many bytes is slower than usual. */
  slowAfterMs(bytes: number): number {
    const { count, ms } = this.#classes[classOf(bytes)]!;
    if (count < ENOUGH) return UNKNOWN_MS;
    const sorted = ms.slice(0, Math.min(count, SAMPLES)).sort();
    const usual = sorted[Math.ceil(QUANTILE * sorted.length) - 1]!;
    return Math.max(LEAST_MS, MARGIN * usual);
  }
}

/** Up to 1 KiB, 4 KiB, 16 KiB, … */
function classOf(bytes: number): number {
  const doubled = Math.ceil(Math.log2(Math.max(1, bytes / 1024)));
  return Math.min(CLASSES - 1, Math.ceil(doubled / 2));
}
