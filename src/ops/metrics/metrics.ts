import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Registry } from 'prom-client';
import { createExposition } from './exposition.ts';
import {
  createScrapedValues,
  Distribution,
  ReadCounter,
  ReadGauge,
  ReadHistogram,
  type Value,
} from './read-metrics.ts';
import { type Labels, NO_LABELS, SeriesTree } from './series-tree.ts';

type LabelArgument<Label extends string> = [Label] extends [never] ? [] : [labels: Labels<Label>];

/** Counts now; is read when somebody scrapes. */
export interface ScrapedCounter<Label extends string> {
  /** @param value anything below 0, and what is not finite, is left out */
  add(value: number, ...labels: LabelArgument<Label>): void;
  /** What was counted so far. */
  values(): Iterable<Value<Label>>;
}

export interface RecordedHistogram<Label extends string> {
  /** What is not finite is left out. */
  record(value: number, ...labels: LabelArgument<Label>): void;
  /** What was recorded so far. */
  series(): Iterable<Distribution<Label>>;
}

/** Asks for its values when somebody scrapes. */
export interface ScrapedValues<Label extends string> {
  /** @param read called at each scrape; values that it does not set are not there */
  onScrape(read: (set: (value: number, ...labels: LabelArgument<Label>) => void) => void): void;
  /** What a scrape would show now. */
  read(): readonly Value<Label>[];
}

/** Whose series a metric has: its first label. */
export type Owner = 'pod' | 'pod_key' | 'model';

export interface Metrics {
  counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames?: readonly Label[],
  ): ScrapedCounter<Label>;
  histogram<Label extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames?: readonly Label[],
  ): RecordedHistogram<Label>;
  gauge<Label extends string = never>(
    name: string,
    help: string,
    labelNames?: readonly Label[],
  ): ScrapedValues<Label>;
  /** A counter whose values somebody else keeps. */
  total<Label extends string = never>(
    name: string,
    help: string,
    labelNames?: readonly Label[],
  ): ScrapedValues<Label>;
  /** A histogram whose series somebody else keeps. */
  distributions<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: () => Iterable<Distribution<Label>>,
  ): void;
  /** Called before the values of a scrape are read. */
  beforeScrape(prepare: () => void): void;
  /** All owners of this kind that have series. */
  owners(kind: Owner): Set<string>;
  /** Ends all series of an owner. */
  forget(kind: Owner, owner: string): void;
  /** Answers with all metrics in Prometheus' text format. Rejects when the client leaves before it has them. */
  answer(response: ServerResponse): Promise<void>;
}

interface Owned {
  owners(): Iterable<string | number | undefined>;
  forget(owner: string): void;
}

/**
 * All metrics of one server, kept by prom-client; apart from those of any other in the process.
 * @param isShown whether a metric of this name is
 */
export function createMetrics(isShown: (name: string) => boolean = () => true): Metrics {
  const registry = new Registry();
  const registersOf = (name: string) => (isShown(name) ? [registry] : []);
  const preparations: (() => void)[] = [];
  const text = createExposition(registry, () => {
    for (const prepare of preparations) prepare();
  });
  const ownedBy = new Map<string, Owned[]>();

  function noteOwner([owner]: readonly string[], metric: Owned): void {
    if (owner !== undefined) ownedBy.set(owner, [...(ownedBy.get(owner) ?? []), metric]);
  }

  return {
    counter<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) {
      const tree = new SeriesTree(labelNames, labels => ({ labels, value: 0 }));
      // Without labels there is one series, which is 0 from the start.
      if (labelNames.length === 0) tree.at(NO_LABELS as Labels<Label>);
      new ReadCounter({ name, help, labelNames, registers: registersOf(name) }, () => [...tree]);
      noteOwner(labelNames, tree);
      const add = (value: number, labels = NO_LABELS as Labels<Label>) => {
        if (value >= 0 && value < Number.POSITIVE_INFINITY) tree.at(labels).value += value;
      };
      return { add, values: () => tree } as ScrapedCounter<Label>;
    },

    histogram<Label extends string>(
      name: string,
      help: string,
      buckets: readonly number[],
      labelNames: readonly Label[] = [],
    ) {
      const tree = new SeriesTree(labelNames, labels => new Distribution<Label>(labels, buckets));
      // Without labels there is one series, which is 0 from the start.
      if (labelNames.length === 0) tree.at(NO_LABELS as Labels<Label>);
      new ReadHistogram(
        { name, help, labelNames, registers: registersOf(name), buckets: [...buckets] },
        () => tree,
      );
      noteOwner(labelNames, tree);
      const record = (value: number, labels = NO_LABELS as Labels<Label>) => {
        if (Number.isFinite(value)) tree.at(labels).record(value);
      };
      return { record, series: () => tree } as RecordedHistogram<Label>;
    },

    gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) {
      const values = createScrapedValues<Label>();
      new ReadGauge({ name, help, labelNames, registers: registersOf(name) }, values.read);
      return values;
    },

    total<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) {
      const values = createScrapedValues<Label>();
      new ReadCounter({ name, help, labelNames, registers: registersOf(name) }, values.read);
      return values;
    },

    distributions<Label extends string>(
      name: string,
      help: string,
      labelNames: readonly Label[],
      read: () => Iterable<Distribution<Label>>,
    ) {
      new ReadHistogram({ name, help, labelNames, registers: registersOf(name) }, read);
    },

    beforeScrape(prepare) {
      preparations.push(prepare);
    },

    owners(kind) {
      return new Set((ownedBy.get(kind) ?? []).flatMap(metric => [...metric.owners()].map(String)));
    },

    forget(kind, owner) {
      for (const metric of ownedBy.get(kind) ?? []) metric.forget(owner);
    },

    async answer(response) {
      const parts = await text();
      response.writeHead(200, {
        'content-type': registry.contentType,
        'content-length': parts.reduce((sum, { length }) => sum + length, 0),
        'cache-control': 'no-store',
      });
      // Part by part as the client takes them: all who wait get the text in the same turn.
      await pipeline(parts, response);
    },
  };
}
