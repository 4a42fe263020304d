/** Metrics under the names of other routers, so that the dashboards for those show this one. */
import type { EngineLoad, Pod } from '../../domain.ts';
import type { Instruments } from '../instruments/instruments.ts';
import type { Distribution, Value } from '../metrics/read-metrics.ts';

export type Family = 'aibrix' | 'llm-d';

/** Where the values are, at a scrape. */
export interface FamilySources {
  readonly instruments: Instruments;
  readonly pods: () => readonly Pod[];
  /** Requests in flight. */
  readonly running: (pod: Pod) => number;
  readonly engineLoad: (pod: Pod) => EngineLoad;
  readonly indexBlocks: () => number;
  /** Whether engines tokenize. */
  readonly tokenizers: 'engines' | 'local';
  /** What llm-d calls the pods all together: the name of the InferencePool. */
  readonly pool: string;
  /** What AIBrix calls this process: the name of its pod. */
  readonly gatewayPod: string;
}

/** One row of docs/metrics-families.md. */
export interface FamilyMetric {
  readonly family: Family;
  readonly name: string;
  /** Empty: one series. */
  readonly labels: readonly string[];
  /** Which of our metrics it is, or what it is read from. */
  readonly mirrors: string;
  /** From what it is there; '' for nothing. */
  readonly differs: string;
  readonly source: /** Our own, by this name already. */
    | { readonly kind: 'recorded'; readonly as: 'counter' | 'gauge' | 'histogram' }
    | {
        readonly kind: 'counter' | 'gauge';
        readonly read: (sources: FamilySources) => Iterable<Value<string>>;
      }
    | {
        readonly kind: 'histogram';
        readonly read: (sources: FamilySources) => Iterable<Distribution<string>>;
      };
}

/** One value without labels. */
export function single(value: number): Value<string>[] {
  return [{ labels: {}, value }];
}

/** The sums of values by what `keyOf` says of their labels. */
export function sumBy<Label extends string>(
  values: Iterable<Value<Label>>,
  keyOf: (labels: Value<Label>['labels']) => string,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of values) {
    const key = keyOf(labels);
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}

export function total(values: Iterable<Value<string>>): number {
  let sum = 0;
  for (const { value } of values) sum += value;
  return sum;
}

/** Requests in flight by the model of their pods. */
export function runningByModel({ pods, running }: FamilySources): Map<string, number> {
  const models = new Map<string, number>();
  for (const pod of pods()) models.set(pod.model, (models.get(pod.model) ?? 0) + running(pod));
  return models;
}

/** A pod's name with and without its namespace, where it has one: `namespace/name`. Of a host name's pods it is `name/address`. */
export function namesOf({ name, ip }: Pod): { readonly namespace: string; readonly pod: string } {
  const slash = name.indexOf('/');
  return slash < 0 || name.endsWith(`/${ip}`)
    ? { namespace: '', pod: name }
    : { namespace: name.slice(0, slash), pod: name.slice(slash + 1) };
}
