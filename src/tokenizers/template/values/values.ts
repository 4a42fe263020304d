/**
 * Python's values as JavaScript's.
 *
 * | Python | here |
 * | --- | --- |
 * | undefined (jinja2) | `undefined` |
 * | None, bool, str | `null`, boolean, string (UTF-16: what counts characters counts code points) |
 * | int | an integral number within ±2^53, beyond that a bigint |
 * | float | a number that is not integral, or `Float` for one that is |
 * | list, dict | array, object with own members |
 * | anything else | a class of this file |
 */

import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';

/** What is neither plain JSON nor a bigint. */
export abstract class Special {}

/** A float whose value is integral: `1.0` prints other than `1`. */
export class Float extends Special {
  readonly value: number;
  constructor(value: number) {
    super();
    this.value = value;
  }
}

export class Tuple extends Special {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    super();
    this.items = items;
  }
}

/** What map, select, reverse and the like give: it can be gone through once, and has no length. */
export class Generator extends Special {
  #items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    super();
    this.#items = items;
  }

  take(): readonly unknown[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }
}

/** `keys()`, `values()` and `items()` of a dict: with a length, without an index. */
export class DictView extends Special {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    super();
    this.items = items;
  }
}

export class Range extends Special {
  readonly items: readonly number[];
  constructor(items: readonly number[]) {
    super();
    this.items = items;
  }
}

/** A string that is not escaped again. It can be printed; what else is done with it escapes the other side, and is not done here. */
export class Markup extends Special {
  readonly text: string;
  constructor(text: string) {
    super();
    this.text = text;
  }
}

export class Namespace extends Special {
  readonly attributes = new Map<string, unknown>();
}

/** Named arguments in the order in which they were given. */
export type Named = ReadonlyMap<string, unknown>;
export const NO_NAMES: Named = new Map();

/** Macros, functions, and methods with the value they belong to. */
export class Callable extends Special {
  readonly call: (args: readonly unknown[], named: Named) => unknown;
  constructor(call: (args: readonly unknown[], named: Named) => unknown) {
    super();
    this.call = call;
  }
}

export type Dict = Readonly<Record<string, unknown>>;

export function isDict(value: unknown): value is Dict {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Special);
}

/** A member that the dict itself has: nothing that JavaScript's objects inherit. */
export function memberOf(dict: Dict, name: string): unknown {
  return Object.hasOwn(dict, name) ? dict[name] : undefined;
}

const ARRAY_INDEX = /^(?:0|[1-9]\d{0,9})$/;

/** JavaScript puts numbered members before all others, whatever their order was. */
export function keepsOrder(keys: readonly string[]): boolean {
  return keys.length < 2 || !ARRAY_INDEX.test(keys[0]!);
}

export function makeDict(entries: readonly (readonly [string, unknown])[]): Dict {
  const dict = Object.fromEntries(entries);
  if (!keepsOrder(Object.keys(dict))) throw unsupported('members that are numbers');
  return dict;
}

export function isInt(value: unknown): value is number | bigint {
  return typeof value === 'number' ? Number.isInteger(value) : typeof value === 'bigint';
}

export function isFloat(value: unknown): value is number | Float {
  return typeof value === 'number' ? !Number.isInteger(value) : value instanceof Float;
}

export function asFloat(value: number): number | Float {
  return Number.isInteger(value) ? new Float(value) : value;
}

/** The value of an int within ±2^53, a bool or a float; undefined for what is no number. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Float) return value.value;
  if (typeof value === 'bigint') throw unsupported('integers beyond 2^53');
  return undefined;
}

/** What indices, counts and widths have to be. */
export function indexOf(value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  if (typeof value === 'bigint') throw unsupported('integers beyond 2^53');
  throw failed('a whole number was expected');
}

export function isTrue(value: unknown): boolean {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'string':
      return value.length > 0;
    case 'number':
      return value !== 0;
    case 'undefined':
      return false;
    case 'bigint':
      return true;
    default:
  }
  if (value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (!(value instanceof Special)) {
    return hasMembers(value as Dict);
  }
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Markup) return value.text.length > 0;
  if (value instanceof Tuple || value instanceof DictView || value instanceof Range)
    return value.items.length > 0;
  return true;
}

/** Large objects that were seen to have members: looking takes time for them, and values never change. */
const WITH_MEMBERS = new WeakSet<Dict>();
/** Up to here, to look takes less than to remember. */
const FEW_MEMBERS = 32;

function hasMembers(dict: Dict): boolean {
  if (WITH_MEMBERS.has(dict)) return true;
  const { length } = Object.keys(dict);
  if (length > FEW_MEMBERS) WITH_MEMBERS.add(dict);
  return length > 0;
}

export function keysOf(dict: Dict, budget: Budget): string[] {
  const keys = Object.keys(dict);
  // Listing the members of a large object takes as long as several steps for each.
  budget.spend(keys.length * 4);
  return keys;
}

const SURROGATE = /[\ud800-\udfff]/;

/** Whether each UTF-16 unit is one character of Python's. */
export function isFlat(text: string): boolean {
  return !SURROGATE.test(text);
}

/** What Python goes through in a `for`. A generator is used up. Pays for what it makes, not for going through it. */
export function iterate(value: unknown, budget: Budget): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value === undefined) return [];
  if (typeof value === 'string') {
    budget.spend(value.length);
    return [...value];
  }
  if (value instanceof Tuple || value instanceof DictView || value instanceof Range) return value.items;
  if (value instanceof Generator) return value.take();
  if (isDict(value)) return keysOf(value, budget);
  if (value instanceof Special && !(value instanceof Float)) throw unsupported('going through such a value');
  throw failed('what is no sequence is gone through');
}

/** `len()`. */
export function lengthOf(value: unknown, budget: Budget): number {
  if (Array.isArray(value)) return value.length;
  if (value === undefined) return 0;
  if (typeof value === 'string') {
    budget.spendCharacters(value.length);
    return codePoints(value);
  }
  if (value instanceof Tuple || value instanceof DictView || value instanceof Range)
    return value.items.length;
  if (isDict(value)) return keysOf(value, budget).length;
  if (value instanceof Special && !(value instanceof Float) && !(value instanceof Generator)) {
    throw unsupported('the length of such a value');
  }
  throw failed('what has no length is measured');
}

function codePoints(text: string): number {
  if (isFlat(text)) return text.length;
  let count = 0;
  for (const _ of text) count++;
  return count;
}
