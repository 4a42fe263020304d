import type { Attributes, Meter } from '@opentelemetry/api';

type Labels = Readonly<Record<string, string>>;

/** A counter as its callers see it. */
export interface Tally {
  /** @param labels always the same ones of a counter, in the same order */
  add(value: number, labels?: Labels): void;
}

/**
 * A counter that is read when somebody scrapes. The SDK's own sorts and joins the labels at every addition, and a request has
 * several counters.
 */
export function createTally(meter: Meter, name: string, description: string): Tally {
  const counts = new Map<string, { readonly labels: Attributes; count: number }>();
  meter.createObservableCounter(name, { description }).addCallback(result => {
    for (const { labels, count } of counts.values()) result.observe(count, labels);
  });
  return {
    add(value, labels = {}) {
      let key = '';
      for (const label in labels) key += `${labels[label]}\0`;
      const known = counts.get(key);
      if (known === undefined) counts.set(key, { labels: { ...labels }, count: value });
      else known.count += value;
    },
  };
}
