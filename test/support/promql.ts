/** What a PromQL expression refers to, held against the metrics that there are. */
import type { Declared } from '../../src/ops/instruments/instrument.ts';

/** A family of metrics: its labels, and the values of those that have a closed set. */
export type Family = Pick<Declared, 'kind' | 'name' | 'labels'>;

/** Of every target that Prometheus scrapes. */
const TARGET_LABELS = ['instance', 'job'];
const SUFFIXES = ['_bucket', '_sum', '_count'];

/** What in `expression` is no metric, no label, or no value of a label of `families`; empty if nothing is. */
export function problemsOf(expression: string, families: readonly Family[]): string[] {
  const problems: string[] = [];
  const known = new Set([...TARGET_LABELS, 'le']);
  const text = expression.replaceAll(/"[^"]*"/g, quoted => quoted.replaceAll(/[{}()]/g, '_'));
  const selectors = [...text.matchAll(/\b([a-z]+_[a-z0-9_]+)\b(?:\{([^}]*)\})?(?!\s*\()/g)].filter(
    ([, name]) => !FUNCTIONS.has(name!) && !known.has(name!),
  );
  const metrics = selectors.filter(([, name]) => /^(warmroute|process|envoy|aibrix)_/.test(name!));
  if (metrics.length === 0) problems.push('no metric');
  for (const [, name, matchers] of metrics) {
    const family = families.find(each => isOf(name!, each));
    if (family === undefined) {
      problems.push(`${name}: no such metric`);
      continue;
    }
    for (const label of Object.keys(family.labels)) known.add(label);
    for (const [, label, operator, value] of (matchers ?? '').matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)) {
      const values = family.labels[label!];
      if (values === undefined) problems.push(`${name}: no label ${label}`);
      else if (!('names' in values)) {
        const wanted = operator!.endsWith('~') ? value!.split('|') : [value!];
        for (const each of wanted)
          if (!values.includes(each)) problems.push(`${name}: ${label} is never ${each}`);
      }
    }
  }
  for (const [, list] of text.matchAll(/\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)/g))
    for (const label of list!
      .split(',')
      .map(each => each.trim())
      .filter(each => each !== ''))
      if (!known.has(label)) problems.push(`no metric of the expression has the label ${label}`);
  return problems;
}

/** With an underscore, and not followed by a parenthesis wherever they stand. */
const FUNCTIONS = new Set(['group_left', 'group_right']);

function isOf(name: string, { kind, name: family }: Family): boolean {
  return kind === 'histogram' ? SUFFIXES.some(suffix => name === family + suffix) : name === family;
}
