/** What the plots show of the time before the page was opened: running totals, looked at every few seconds. */
import type { Distribution } from '../metrics/read-metrics.ts';
import { QUANTITIES, type Quantity, type Sample, type SampleHistory } from './messages.ts';

/** Totals since the start; each may fall when a pod or a model leaves. */
export interface Totals {
  readonly decisions: number;
  readonly promptBlocks: number;
  readonly matchedBlocks: number;
  readonly decisionSeconds: Iterable<Distribution<string>>;
  readonly firstByteSeconds: Iterable<Distribution<string>>;
  /** Requests in flight, by pod. */
  readonly inFlight: Iterable<readonly [pod: string, running: number]>;
}

export interface SamplesOptions {
  readonly read: () => Totals;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly everySeconds: number;
  /** How many are kept. */
  readonly length: number;
}

/** More lines than that tell nothing in one plot. */
const MAX_LOADS_SHOWN = 32;
/** In the arrays of whole numbers: nothing was measured. */
const NONE = -1;
const MAX_LOAD = 0x7fff;

/** The last samples, in arrays of fixed size: 64 bytes each, and 2 for each pod. */
export class Samples {
  readonly #options: SamplesOptions;
  readonly #at: Float64Array;
  readonly #values: Readonly<Record<Quantity, Float64Array>>;
  readonly #load = new Map<string, Int16Array>();
  #count = 0;
  #before: { readonly totals: Counted; readonly atMs: number };

  constructor(options: SamplesOptions) {
    const { length, read, now } = options;
    this.#options = options;
    this.#at = new Float64Array(length);
    this.#values = Object.fromEntries(QUANTITIES.map(each => [each, new Float64Array(length)])) as Record<
      Quantity,
      Float64Array
    >;
    this.#before = { totals: counted(read()), atMs: now() };
  }

  /** Measures what was since the last sample. */
  take(): Sample {
    const { length, read, now } = this.#options;
    const { totals: before, atMs: beforeMs } = this.#before;
    const totals = read();
    const after = counted(totals);
    const atMs = now();
    this.#before = { totals: after, atMs };

    const decisions = Math.max(0, after.decisions - before.decisions);
    const blocks = Math.max(0, after.promptBlocks - before.promptBlocks);
    const values: Record<Quantity, number | null> = {
      decisionsPerSecond: atMs > beforeMs ? (1_000 * decisions) / (atMs - beforeMs) : null,
      promptBlocks: blocks,
      hitRate: blocks > 0 ? Math.max(0, after.matchedBlocks - before.matchedBlocks) / blocks : null,
      decisionP50: quantile(before.decisionSeconds, after.decisionSeconds, 0.5),
      decisionP99: quantile(before.decisionSeconds, after.decisionSeconds, 0.99),
      firstByteP50: quantile(before.firstByteSeconds, after.firstByteSeconds, 0.5),
      firstByteP99: quantile(before.firstByteSeconds, after.firstByteSeconds, 0.99),
    };
    const slot = this.#count % length;
    this.#count++;
    this.#at[slot] = atMs / 1_000;
    for (const quantity of QUANTITIES) this.#values[quantity][slot] = values[quantity] ?? Number.NaN;
    const load = new Map(totals.inFlight);
    for (const pod of this.#load.keys()) if (!load.has(pod)) this.#load.delete(pod);
    for (const [pod, running] of load) {
      let row = this.#load.get(pod);
      if (row === undefined) {
        row = new Int16Array(length).fill(NONE);
        this.#load.set(pod, row);
      }
      row[slot] = Math.min(running, MAX_LOAD);
    }
    return { at: atMs / 1_000, values, load: busiest(load) };
  }

  history(): SampleHistory {
    const { length, everySeconds } = this.#options;
    const size = Math.min(this.#count, length);
    const slots = Array.from({ length: size }, (_, i) => (this.#count - size + i) % length);
    const numbers = (row: Float64Array) => slots.map(slot => (Number.isNaN(row[slot]) ? null : row[slot]!));
    const busy = [...this.#load].map(([pod, row]) => [pod, sumOf(row)] as const);
    return {
      everySeconds,
      at: slots.map(slot => this.#at[slot]!),
      series: Object.fromEntries(QUANTITIES.map(each => [each, numbers(this.#values[each])])) as Record<
        Quantity,
        (number | null)[]
      >,
      load: busiest(busy).map(([pod]) => {
        const row = this.#load.get(pod)!;
        return { pod, running: slots.map(slot => (row[slot] === NONE ? null : row[slot]!)) };
      }),
    };
  }
}

interface Counted extends Omit<Totals, 'decisionSeconds' | 'firstByteSeconds' | 'inFlight'> {
  readonly decisionSeconds: Buckets;
  readonly firstByteSeconds: Buckets;
}

interface Buckets {
  readonly bounds: readonly number[];
  /** One more than there are bounds. */
  readonly counts: Float64Array;
}

function counted(totals: Totals): Counted {
  const { decisions, promptBlocks, matchedBlocks } = totals;
  return {
    ...{ decisions, promptBlocks, matchedBlocks },
    decisionSeconds: bucketsOf(totals.decisionSeconds),
    firstByteSeconds: bucketsOf(totals.firstByteSeconds),
  };
}

function bucketsOf(series: Iterable<Distribution<string>>): Buckets {
  let sum: { bounds: readonly number[]; counts: Float64Array } | undefined;
  for (const { bounds, counts } of series) {
    sum ??= { bounds, counts: new Float64Array(counts.length) };
    for (let i = 0; i < counts.length; i++) sum.counts[i]! += counts[i]!;
  }
  return sum ?? { bounds: [], counts: new Float64Array(0) };
}

/** Of what was recorded between two readings; inside of a bucket, as if evenly spread. null: nothing was. */
export function quantile(before: Buckets, after: Buckets, share: number): number | null {
  const { bounds, counts } = after;
  const added = counts.map((count, i) => Math.max(0, count - (before.counts[i] ?? 0)));
  const total = added.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = share * total;
  let below = 0;
  let bucket = 0;
  while (bucket < bounds.length && below + added[bucket]! < rank) {
    below += added[bucket]!;
    bucket++;
  }
  // Above the last bound nothing is known but that.
  if (bucket === bounds.length) return bounds.at(-1) ?? null;
  const from = bucket === 0 ? 0 : bounds[bucket - 1]!;
  const inBucket = added[bucket]!;
  return from + (bounds[bucket]! - from) * (inBucket === 0 ? 0 : (rank - below) / inBucket);
}

function busiest(load: Iterable<readonly [pod: string, running: number]>) {
  return [...load].sort((a, b) => b[1] - a[1]).slice(0, MAX_LOADS_SHOWN);
}

function sumOf(row: Int16Array): number {
  return row.reduce((sum, running) => sum + Math.max(0, running), 0);
}
