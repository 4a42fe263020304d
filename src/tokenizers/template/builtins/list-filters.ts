import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { arithmetic } from '../values/arithmetic.ts';
import { contains, order } from '../values/compare.ts';
import {
  DictView,
  Float,
  Generator,
  indexOf,
  isDict,
  isFloat,
  isTrue,
  iterate,
  Markup,
  Special,
} from '../values/values.ts';
import { alongPath, attributePath } from './attribute-path.ts';
import { ABSENT, type Builtin, builtin, given } from './parameters.ts';

/** Filters that take a sequence. */
export const LIST_FILTERS: ReadonlyMap<string, Builtin<unknown>> = new Map<string, Builtin<unknown>>([
  ['list', builtin('', (value, _, budget) => [...paidFor(value, budget)])],
  ['first', builtin('', (value, _, budget) => firstOf(value, budget))],
  ['last', builtin('', (value, _, budget) => lastOf(value, budget))],
  ['reverse', builtin('', reversed)],
  ['batch', builtin('linecount fill_with?', batched)],
  ['sum', builtin('attribute? start?', sum)],
  ['sort', builtin('reverse? case_sensitive? attribute?', sorted)],
  ['unique', builtin('case_sensitive? attribute?', unique)],
  ['min', builtin('case_sensitive? attribute?', (value, args, budget) => extreme(value, args, -1, budget))],
  ['max', builtin('case_sensitive? attribute?', (value, args, budget) => extreme(value, args, 1, budget))],
]);

/** The items, one step each. */
export function paidFor(value: unknown, budget: Budget): readonly unknown[] {
  const items = iterate(value, budget);
  budget.spend(items.length);
  return items;
}

function firstOf(value: unknown, budget: Budget): unknown {
  if (typeof value === 'string')
    return value === '' ? undefined : String.fromCodePoint(value.codePointAt(0)!);
  if (value instanceof Generator) throw unsupported('the first of what is gone through once');
  return (isDict(value) ? paidFor(value, budget) : iterate(value, budget))[0];
}

function lastOf(value: unknown, budget: Budget): unknown {
  if (value instanceof Generator || value instanceof DictView) throw unsupported('the last of such a value');
  return paidFor(value, budget).at(-1);
}

function reversed(value: unknown, _: unknown, budget: Budget): unknown {
  if (value instanceof Markup) throw unsupported('reversing escaped text');
  const items = paidFor(value, budget).toReversed();
  if (typeof value !== 'string') return value instanceof Generator ? items : new Generator(items);
  return items.join('');
}

function batched(value: unknown, [size, fill]: readonly unknown[], budget: Budget): Generator {
  const count = indexOf(size);
  if (count < 1) throw unsupported('batches of nothing');
  const items = paidFor(value, budget);
  const batches: unknown[][] = [];
  for (let at = 0; at < items.length; at += count) batches.push(items.slice(at, at + count));
  const last = batches.at(-1);
  if (last !== undefined && fill !== ABSENT && fill !== null) {
    budget.spend(count);
    while (last.length < count) last.push(fill);
  }
  return new Generator(batches);
}

function sum(value: unknown, [attribute, start]: readonly unknown[], budget: Budget): unknown {
  const path = attributePath(attribute);
  let total = given(start, 0);
  for (const item of paidFor(value, budget)) {
    const number = alongPath(item, path, budget);
    // Newer versions of Python add floats with a correction.
    if (isFloat(number) || isFloat(total)) throw unsupported('sums of floats');
    if (typeof total === 'string') throw failed('strings are not summed');
    total = arithmetic('+', total, number, budget);
  }
  return total;
}

type Key = (item: unknown) => unknown;

function keyBy(attribute: unknown, caseSensitive: unknown, budget: Budget): Key {
  const path = attributePath(attribute);
  const keepsCase = isTrue(given(caseSensitive, false));
  return item => {
    const key = alongPath(item, path, budget);
    if (keepsCase || typeof key !== 'string') return key;
    budget.spendCharacters(key.length);
    return key.toLowerCase();
  };
}

function sorted(
  value: unknown,
  [reverse, caseSensitive, attribute]: readonly unknown[],
  budget: Budget,
): unknown[] {
  const attributes = typeof attribute === 'string' ? attribute.split(',') : [attribute];
  const keys = attributes.map(name => keyBy(name, caseSensitive, budget));
  const rows = paidFor(value, budget).map(item => ({ item, key: keys.map(key => key(item)) }));
  const sign = isTrue(given(reverse, false)) ? -1 : 1;
  rows.sort((a, b) => {
    budget.spend(1);
    return sign * order(a.key, b.key, budget);
  });
  return rows.map(({ item }) => item);
}

function unique(value: unknown, [caseSensitive, attribute]: readonly unknown[], budget: Budget): Generator {
  const key = keyBy(attribute, caseSensitive, budget);
  const seen = new Set<string>();
  const others: unknown[] = [];
  const isNew = (item: unknown): boolean => {
    const found = key(item);
    if (typeof found === 'string') return seen.size < seen.add(found).size;
    if (Array.isArray(found) || isDict(found)) throw failed('lists and dicts have no hash');
    if (found instanceof Special && !(found instanceof Float)) throw unsupported('such a value');
    if (contains(others, found, budget)) return false;
    others.push(found);
    return true;
  };
  return new Generator(paidFor(value, budget).filter(isNew));
}

function extreme(
  value: unknown,
  [caseSensitive, attribute]: readonly unknown[],
  sign: 1 | -1,
  budget: Budget,
): unknown {
  const key = keyBy(attribute, caseSensitive, budget);
  let best: { readonly item: unknown; readonly key: unknown } | undefined;
  for (const item of paidFor(value, budget)) {
    const found = key(item);
    if (best === undefined || sign * order(found, best.key, budget) > 0) best = { item, key: found };
  }
  return best?.item;
}
