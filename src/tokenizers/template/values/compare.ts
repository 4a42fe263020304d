import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { DictView, Float, isDict, iterate, memberOf, Range, Special, Tuple } from './values.ts';

/** Python's `==`. */
export function equals(a: unknown, b: unknown, budget: Budget): boolean {
  if (typeof a === 'string' && typeof b === 'string') {
    if (a.length !== b.length) return false;
    budget.spendCharacters(a.length);
    return a === b;
  }
  if (a === b) return !Number.isNaN(a);
  if (a === null || b === null || a === undefined || b === undefined) return false;
  const x = numeric(a);
  const y = numeric(b);
  if (x !== undefined || y !== undefined) {
    // eslint-disable-next-line eqeqeq -- a bigint equals a number of the same value
    return x !== undefined && y !== undefined && x === y;
  }
  if (Array.isArray(a)) return Array.isArray(b) && allEqual(a, b, budget);
  if (a instanceof Tuple) return b instanceof Tuple && allEqual(a.items, b.items, budget);
  if (isDict(a) && isDict(b)) return dictsEqual(a, b, budget);
  if (isUnknown(a) || isUnknown(b)) throw unsupported('comparing such values');
  return false;
}

function isUnknown(value: unknown): boolean {
  return value instanceof Special && !(value instanceof Tuple);
}

function numeric(value: unknown): number | bigint | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value instanceof Float ? value.value : undefined;
}

function allEqual(a: readonly unknown[], b: readonly unknown[], budget: Budget): boolean {
  if (a.length !== b.length) return false;
  budget.enter();
  budget.spend(a.length);
  const equal = a.every((item, at) => equals(item, b[at], budget));
  budget.leave();
  return equal;
}

function dictsEqual(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  budget: Budget,
): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  budget.enter();
  budget.spend(keys.length);
  const equal = keys.every(key => Object.hasOwn(b, key) && equals(a[key], b[key], budget));
  budget.leave();
  return equal;
}

/** Negative, zero or positive; fails for values without an order between them. */
export function order(a: unknown, b: unknown, budget: Budget): number {
  if (typeof a === 'string' && typeof b === 'string') {
    budget.spendCharacters(Math.min(a.length, b.length));
    return orderOfStrings(a, b);
  }
  const x = numeric(a);
  const y = numeric(b);
  if (x !== undefined && y !== undefined) {
    if (Number.isNaN(x) || Number.isNaN(y)) throw unsupported('the order of nan');
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if (Array.isArray(a) && Array.isArray(b)) return orderOfLists(a, b, budget);
  if (a instanceof Tuple && b instanceof Tuple) return orderOfLists(a.items, b.items, budget);
  if (isUnknown(a) || isUnknown(b)) throw unsupported('comparing such values');
  throw failed('unlike types have no order');
}

function orderOfLists(a: readonly unknown[], b: readonly unknown[], budget: Budget): number {
  budget.enter();
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    if (!equals(a[at], b[at], budget)) {
      const found = order(a[at], b[at], budget);
      budget.leave();
      return found;
    }
  }
  budget.leave();
  return a.length - b.length;
}

/** By code points; UTF-16 puts what is beyond the basic plane before U+E000. */
export function orderOfStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at);
    const y = b.charCodeAt(at);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit;
}

/** Python's `in`. */
export function contains(container: unknown, item: unknown, budget: Budget): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string') throw failed('only strings are looked for in strings');
    budget.spendSearch(container.length, item.length);
    return container.includes(item);
  }
  if (isDict(container)) {
    budget.spend(1);
    return typeof item === 'string' ? Object.hasOwn(container, item) : isHashable(item);
  }
  if (
    Array.isArray(container) ||
    container === undefined ||
    container instanceof Tuple ||
    container instanceof DictView ||
    container instanceof Range
  ) {
    for (const other of iterate(container, budget)) {
      budget.spend(1);
      if (equals(item, other, budget)) return true;
    }
    return false;
  }
  if (container instanceof Special) throw unsupported('looking into such a value');
  throw failed('what holds nothing is looked into');
}

/** No key of a dict is anything but a string here, so other keys are looked for in vain, if they could be keys at all. */
function isHashable(value: unknown): false {
  if (Array.isArray(value) || isDict(value)) throw failed('lists and dicts are no keys');
  if (value instanceof Special && !(value instanceof Float)) throw unsupported('such a key');
  return false;
}

/** `dict.get()`. */
export function getMember(dict: Readonly<Record<string, unknown>>, key: unknown): unknown {
  if (typeof key === 'string') return memberOf(dict, key);
  isHashable(key);
  return undefined;
}
