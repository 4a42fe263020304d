/**
 * Metrics whose values the program keeps itself. prom-client checks and joins the labels of every value that it is given: on the request
 * path, and at a scrape all in one go, which for a thousand pods takes longer than a request may wait.
 */
import {
  Counter,
  type CounterConfiguration,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
} from 'prom-client';
import { type Labels, NO_LABELS } from './series-tree.ts';

export interface Value<Label extends string> {
  readonly labels: Partial<Record<Label, string | number>>;
  readonly value: number;
}

/** A counter whose values are read at a scrape. */
export class ReadCounter<Label extends string> extends Counter<Label> {
  readonly #read: () => Value<Label>[];

  constructor(options: CounterConfiguration<Label>, read: () => Value<Label>[]) {
    super(options);
    this.#read = read;
  }

  override async get() {
    return { ...(await super.get()), values: this.#read() };
  }
}

/** A gauge whose values are read at a scrape. */
export class ReadGauge<Label extends string> extends Gauge<Label> {
  readonly #read: () => Value<Label>[];

  constructor(options: GaugeConfiguration<Label>, read: () => Value<Label>[]) {
    super(options);
    this.#read = read;
  }

  override async get() {
    return { ...(await super.get()), values: this.#read() };
  }
}

/** What was recorded of one series of a histogram. */
export class Distribution<Label extends string> {
  readonly labels: Value<Label>['labels'];
  /** Rising. */
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(labels: Value<Label>['labels'], bounds: readonly number[]) {
    this.labels = labels;
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** How many values were up to each bound and above the one before; the last are those above all. */
  get counts(): Readonly<Float64Array> {
    return this.#counts;
  }

  /** How many values were recorded. */
  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  record(value: number): void {
    const bounds = this.bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }

  /** The same as a series of another metric. */
  withLabels<Other extends string>(labels: Value<Other>['labels']): Distribution<Other> {
    const copy = new Distribution<Other>(labels, this.bounds);
    copy.#counts.set(this.#counts);
    copy.#sum = this.#sum;
    return copy;
  }

  /** In Prometheus' form: each bucket counts what the smaller ones do, too. */
  *samplesOf(name: string) {
    let count = 0;
    for (const [bucket, added] of this.#counts.entries()) {
      count += added;
      const le = this.bounds[bucket] ?? '+Inf';
      yield { labels: { le, ...this.labels }, value: count, metricName: `${name}_bucket` };
    }
    yield { labels: this.labels, value: this.#sum, metricName: `${name}_sum` };
    yield { labels: this.labels, value: count, metricName: `${name}_count` };
  }
}

/** A histogram whose series the program keeps itself. */
export class ReadHistogram<Label extends string> extends Histogram<Label> {
  readonly #name: string;
  readonly #read: () => Iterable<Distribution<Label>>;

  constructor(options: HistogramConfiguration<Label>, read: () => Iterable<Distribution<Label>>) {
    super(options);
    this.#name = options.name;
    this.#read = read;
  }

  override async get() {
    const values = [...this.#read()].flatMap(series => [...series.samplesOf(this.#name)]);
    return { ...(await super.get()), values };
  }
}

/** Values that somebody gives when they are read. */
export function createScrapedValues<Label extends string>() {
  type Set = (value: number, labels?: Labels<Label>) => void;
  let give: (set: Set) => void = () => {};
  return {
    read(): Value<Label>[] {
      const values: Value<Label>[] = [];
      give((value, labels = NO_LABELS as Labels<Label>) => values.push({ labels, value } as Value<Label>));
      return values;
    },
    onScrape(given: (set: Set) => void): void {
      give = given;
    },
  };
}
