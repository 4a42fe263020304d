/**
 * PromQL of declared metrics: a metric, a label or a value of a label that there is not does not compile. Every selector is narrowed by the
 * variables of the dashboard (`$namespace`, `$job`, `$instance`; `$model` and `$pod` where the metric has such a label).
 */
import type { ClosedLabel, Declared, LabelSet } from '../../src/ops/instruments/instrument.ts';

/** What Prometheus adds to every series of a target, as far as dashboards tell targets apart by it. */
export const TARGET_LABELS = ['namespace', 'job', 'instance'] as const;
type TargetLabel = (typeof TARGET_LABELS)[number];

/** Labels of metrics by which a dashboard is narrowed. */
export const OWNER_LABELS = ['model', 'pod'] as const;

type Counter = Declared & { readonly kind: 'counter' | 'total' };
type Gauge = Declared & { readonly kind: 'gauge' };
type Histogram = Declared & { readonly kind: 'histogram' };

type ValueOf<Label> = Label extends ClosedLabel<infer Value> ? Value : string;

/** One value, or any of several. */
type Where<Labels extends LabelSet> = {
  readonly [Name in keyof Labels]?: ValueOf<Labels[Name]> | readonly ValueOf<Labels[Name]>[];
};

interface Asked<Metric extends Declared> {
  /** What series are told apart by; default: nothing, all are one. */
  readonly by?: readonly ((keyof Metric['labels'] & string) | TargetLabel)[];
  readonly where?: Where<Metric['labels']>;
}

/** How much a counter grows per second. */
export function rate<const Metric extends Counter>(
  metric: Metric,
  { by, where }: Asked<Metric> = {},
): string {
  return `${grouped('sum', by)} (rate(${selector(metric.name, metric, where)}[$__rate_interval]))`;
}

/** By how much a counter has grown in the time that the dashboard shows. */
export function growth<const Metric extends Counter>(
  metric: Metric,
  { by, where }: Asked<Metric> = {},
): string {
  return `${grouped('sum', by)} (increase(${selector(metric.name, metric, where)}[$__range]))`;
}

/** A gauge, over all routers. */
export function gauge<const Metric extends Gauge>(
  how: 'sum' | 'max' | 'min',
  metric: Metric,
  { by, where }: Asked<Metric> = {},
): string {
  return `${grouped(how, by)} (${selector(metric.name, metric, where)})`;
}

/** Observations of a histogram per second. */
export function observed<const Metric extends Histogram>(
  metric: Metric,
  { by, where }: Asked<Metric> = {},
): string {
  return `${grouped('sum', by)} (rate(${selector(`${metric.name}_count`, metric, where)}[$__rate_interval]))`;
}

export function quantile<const Metric extends Histogram>(
  quantile: number,
  metric: Metric,
  { by = [], where }: Asked<Metric> = {},
): string {
  const buckets = selector(`${metric.name}_bucket`, metric, where);
  return `histogram_quantile(${quantile}, ${grouped('sum', ['le', ...by])} (rate(${buckets}[$__rate_interval])))`;
}

/** A part of a whole; nothing where the whole is 0. */
export const share = (part: string, whole: string) => `${part} / (${whole} > 0)`;

/** The largest ones alone: a legend of a thousand pods says nothing. */
export const largest = (count: number, expression: string) => `topk(${count}, ${expression})`;

/** For what is not there at all while nothing is wrong. `expression` has one series without labels. */
export const orZero = (expression: string) => `${expression} or vector(0)`;

/** A selector alone, for what the functions above do not say. */
export function series<const Metric extends Declared>(
  metric: Metric,
  where?: Where<Metric['labels']>,
): string {
  return selector(metric.name, metric, where);
}

function grouped(how: string, by: readonly string[] = []): string {
  return by.length === 0 ? how : `${how} by (${by.join(', ')})`;
}

function selector(name: string, { labels }: Declared, where: Readonly<Record<string, unknown>> = {}): string {
  const variables = [...TARGET_LABELS, ...OWNER_LABELS.filter(label => label in labels && !(label in where))];
  const matchers = Object.entries(where).map(([label, wanted]) =>
    Array.isArray(wanted) ? `${label}=~"${wanted.join('|')}"` : `${label}="${wanted}"`,
  );
  return `${name}{${[...matchers, ...variables.map(label => `${label}=~"$${label}"`)].join(', ')}}`;
}
