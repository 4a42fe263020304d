import type { Attributes, Meter } from '@opentelemetry/api';

type Labels = Readonly<Record<string, string>>;

/** A counter as its callers see it. Labels are always the same ones of a counter, in the same order. */
export interface Tally {
  add(value: number, labels?: Labels): void;
  /** The count of these labels, for those who add to it often. It is told from now on, though it may be 0. */
  of(labels: Labels): Count;
}

export interface Count {
  count: number;
}

/**
 * A counter that is read when somebody scrapes. The SDK's own sorts and joins the labels at every addition, and a request has
 * several counters.
 */
export function createTally(meter: Meter, name: string, description: string): Tally {
  const counts = new Map<string, Count & { readonly labels: Attributes }>();
  meter.createObservableCounter(name, { description }).addCallback(result => {
    for (const { labels, count } of counts.values()) result.observe(count, labels);
  });
  function of(labels: Labels): Count {
    let key = '';
    for (const label in labels) key += `${labels[label]}\0`;
    let known = counts.get(key);
    if (known === undefined) {
      known = { labels: { ...labels }, count: 0 };
      counts.set(key, known);
    }
    return known;
  }

  return {
    of,
    add(value, labels = {}) {
      of(labels).count += value;
    },
  };
}
