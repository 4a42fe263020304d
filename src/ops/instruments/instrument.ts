/** How a metric is declared, and what is recorded with it: names and values of labels are checked where something is recorded. */
import type { RecordedHistogram, ScrapedCounter, ScrapedValues } from '../metrics/metrics.ts';

/** Prometheus' base units, and the things that are counted. */
export type Unit =
  | ('seconds' | 'bytes')
  | ('blocks' | 'characters' | 'events' | 'lines' | 'messages' | 'requests' | 'tokens')
  | (
      | 'connections'
      | 'errors'
      | 'holders'
      | 'pods'
      | 'polls'
      | 'problems'
      | 'reads'
      | 'reloads'
      | 'replays'
      | 'runs'
      | 'streams'
    )
  /** 1, or 0. */
  | 'flag';

/** A label with as many values as there are of what it names, which is nothing that a client chooses. */
export interface OpenLabel {
  readonly names: string;
}

/** A label with these values and no others. */
export type ClosedLabel<Value extends string = string> = readonly Value[];

export type LabelSet = Readonly<Record<string, OpenLabel | ClosedLabel>>;

/** One row of docs/metrics.md. */
export interface Declared {
  readonly kind:
    | 'counter'
    | 'gauge'
    | 'histogram'
    | /** A counter whose value somebody else keeps. */ 'total';
  readonly name: string;
  readonly unit: Unit;
  /** In the order in which they are shown; the first one may be whose series it is (`Owner`). */
  readonly labels: LabelSet;
  readonly help: string;
  /** What a bad value is, and what it means. */
  readonly bad: string;
  /** Upper bounds, rising; none for what is no histogram. */
  readonly buckets: readonly number[];
}

type About<Labels extends LabelSet> = Pick<Declared, 'unit' | 'help' | 'bad'> & { readonly labels?: Labels };

export function counter<const Labels extends LabelSet = NoLabels>(name: string, about: About<Labels>) {
  return { kind: 'counter', name, buckets: [], ...withLabels(about) } as const;
}

export function total(name: string, about: About<NoLabels>) {
  return { kind: 'total', name, buckets: [], ...withLabels(about) } as const;
}

export function gauge<const Labels extends LabelSet = NoLabels>(name: string, about: About<Labels>) {
  return { kind: 'gauge', name, buckets: [], ...withLabels(about) } as const;
}

export function histogram<const Labels extends LabelSet = NoLabels>(
  name: string,
  { buckets, ...about }: About<Labels> & { readonly buckets: readonly number[] },
) {
  return { kind: 'histogram', name, buckets, ...withLabels(about) } as const;
}

/** All values of a type: one that is left out does not compile. */
export function allOf<Value extends string>() {
  return <const Values extends readonly Value[]>(
    ...values: [Exclude<Value, Values[number]>] extends [never]
      ? Values
      : [missing: Exclude<Value, Values[number]>]
  ): ClosedLabel<Value> => values as unknown as Values;
}

type NoLabels = Readonly<Record<never, never>>;

function withLabels<Labels extends LabelSet>({ labels = {} as Labels, ...about }: About<Labels>) {
  return { labels, ...about };
}

// ---- what is recorded with -------------------------------------------------------------------------------------

/** Undefined: the series goes without this label. */
type ValueOf<Label> =
  Label extends ClosedLabel<infer Value> ? Value | undefined : string | number | undefined;

type LabelsOf<Labels extends LabelSet> = { readonly [Name in keyof Labels]: ValueOf<Labels[Name]> };

type Argument<Labels extends LabelSet> = [keyof Labels] extends [never] ? [] : [labels: LabelsOf<Labels>];

type NameOf<Labels extends LabelSet> = keyof Labels & string;

interface Counter<Labels extends LabelSet> extends Omit<ScrapedCounter<NameOf<Labels>>, 'add'> {
  /** @param value anything below 0, and what is not finite, is left out */
  add(value: number, ...labels: Argument<Labels>): void;
}

interface Histogram<Labels extends LabelSet> extends Omit<RecordedHistogram<NameOf<Labels>>, 'record'> {
  /** What is not finite is left out. */
  record(value: number, ...labels: Argument<Labels>): void;
}

interface Values<Labels extends LabelSet> extends Omit<ScrapedValues<NameOf<Labels>>, 'onScrape'> {
  /** @param read called at each scrape; values that it does not set are not there */
  onScrape(read: (set: (value: number, ...labels: Argument<Labels>) => void) => void): void;
}

/** What is recorded with, of a metric that is declared so. */
export type InstrumentOf<Metric extends Declared> = Metric['kind'] extends 'counter'
  ? Counter<Metric['labels']>
  : Metric['kind'] extends 'histogram'
    ? Histogram<Metric['labels']>
    : Values<Metric['labels']>;
