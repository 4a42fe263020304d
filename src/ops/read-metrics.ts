/**
 * Metrics whose values are kept elsewhere. prom-client checks and joins the labels of every value that it is given: on the request
 * path, and at a scrape all in one go, which for a thousand pods takes longer than a request may wait.
 */
import { Counter, type CounterConfiguration, Gauge, type GaugeConfiguration } from 'prom-client';
import { type Labels, NO_LABELS } from './series-tree.ts';

export interface Value<Label extends string> {
  readonly labels: Partial<Record<Label, string | number>>;
  readonly value: number;
}

/** A counter whose values are read elsewhere at a scrape. */
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

/** A gauge whose values are read elsewhere at a scrape. */
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
