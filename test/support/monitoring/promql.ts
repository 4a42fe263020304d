/** What a PromQL expression refers to, held against the metrics that there are. */
import type { Declared } from '../../../src/ops/instruments/instrument.ts';

/** A family of metrics: its labels, and the values of those that have a closed set. */
export type Family = Pick<Declared, 'kind' | 'name' | 'labels'>;

/** What Prometheus adds to every series that it scrapes, and what a histogram has. */
const ALWAYS = ['namespace', 'instance', 'job', 'le'];
const LABEL_LISTS = /\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const SELECTORS = /\b((?:warmroute|process|envoy)_\w+)(?:\{([^}]*)\})?/g;
const MATCHERS = /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g;

/** What in `expression` is no metric, no label, or no value of a label of `families`; empty if nothing is. */
export function problemsOf(expression: string, families: readonly Family[]): string[] {
  const selectors = [...expression.replaceAll(LABEL_LISTS, '').matchAll(SELECTORS)];
  if (selectors.length === 0) return ['it has no metric'];
  const known = new Set(ALWAYS);
  const problems = selectors.flatMap(([, name, matchers = '']) => {
    const family = families.find(each => isOf(name!, each));
    if (family === undefined) return [`${name}: no such metric`];
    for (const label of Object.keys(family.labels)) known.add(label);
    return [...matchers.matchAll(MATCHERS)].flatMap(([, label, operator, value]) =>
      problemsOfMatcher(family, label!, operator!.endsWith('~') ? value!.split('|') : [value!]),
    );
  });
  const listed = [...expression.matchAll(LABEL_LISTS)].flatMap(([, list]) =>
    list!.split(',').map(each => each.trim()),
  );
  return [
    ...problems,
    ...listed.filter(label => !known.has(label)).map(label => `no metric in it has the label ${label}`),
  ];
}

function problemsOfMatcher({ name, labels }: Family, label: string, wanted: readonly string[]): string[] {
  const values = labels[label];
  if (values === undefined) return ALWAYS.includes(label) ? [] : [`${name}: no label ${label}`];
  if ('names' in values) return [];
  return wanted.filter(each => !values.includes(each)).map(each => `${name}: ${label} is never ${each}`);
}

function isOf(name: string, { kind, name: family }: Family): boolean {
  return kind === 'histogram'
    ? ['_bucket', '_sum', '_count'].some(suffix => name === family + suffix)
    : name === family;
}
