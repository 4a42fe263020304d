import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { equals, getMember } from '../values/compare.ts';
import { format } from '../values/printf.ts';
import {
  Callable,
  type Dict,
  DictView,
  Float,
  Generator,
  isDict,
  keysOf,
  type Named,
  Tuple,
} from '../values/values.ts';
import { ABSENT, type Builtin, bind, builtin } from './parameters.ts';
import { STRING_METHODS } from './strings.ts';

const LIST_METHODS: ReadonlyMap<string, Builtin<readonly unknown[]>> = new Map<
  string,
  Builtin<readonly unknown[]>
>([
  [
    'index',
    builtin('_value', (items, [value], budget) =>
      found(items.findIndex(item => isSame(item, value, budget))),
    ),
  ],
  [
    'count',
    builtin('_value', (items, [value], budget) => items.filter(item => isSame(item, value, budget)).length),
  ],
  ['copy', builtin('', copied)],
]);

export const DICT_METHODS: ReadonlyMap<string, Builtin<Dict>> = new Map<string, Builtin<Dict>>([
  ['keys', builtin('', (dict, _, budget) => new DictView(keysOf(dict, budget)))],
  ['values', builtin('', (dict, _, budget) => new DictView(keysOf(dict, budget).map(key => dict[key])))],
  ['items', builtin('', (dict, _, budget) => new DictView(itemsOf(dict, budget)))],
  [
    'get',
    builtin('_key _default?', (dict, [key, otherwise]) =>
      memberOr(dict, key, otherwise === ABSENT ? null : otherwise),
    ),
  ],
  ['copy', builtin('', dict => dict)],
]);

/** What `dir()` says of these types, as far as templates can see it: a dict's attributes hide its members of these names. */
const MUTATING = new Set([
  'append',
  'clear',
  'extend',
  'insert',
  'pop',
  'popitem',
  'remove',
  'reverse',
  'setdefault',
  'sort',
  'update',
]);
const DICT_NAMES = names('clear copy fromkeys get items keys pop popitem setdefault update values');
const LIST_NAMES = names('append clear copy count extend index insert pop remove reverse sort');
const STRING_NAMES = names(
  'capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii isdecimal ' +
    'isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip maketrans partition ' +
    'removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title ' +
    'translate upper zfill',
);
const TUPLE_NAMES = names('count index');
const INT_NAMES = names(
  'as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag is_integer numerator real to_bytes',
);
const GENERATOR_NAMES = names('close gi_code gi_frame gi_running gi_suspended gi_yieldfrom send throw');
const VIEW_NAMES = names('isdisjoint mapping');
const FLOAT_NAMES = names('as_integer_ratio conjugate fromhex hex imag is_integer real');

function names(list: string): ReadonlySet<string> {
  return new Set(list.split(' '));
}

function copied(items: readonly unknown[], _: unknown, budget: Budget): unknown[] {
  budget.spend(items.length);
  return [...items];
}

/** Whether a dict has such an attribute, so that `dict.name` is not its member. */
export function isDictAttribute(name: string): boolean {
  return DICT_NAMES.has(name);
}

/**
 * An attribute of a plain value, in the sandbox that lets nothing be changed: undefined for what it hides and for what there is not.
 * A method is bound to its value.
 */
export function attributeOf(value: unknown, name: string, budget: Budget): unknown {
  if (name.startsWith('_')) return undefined;
  if (typeof value === 'string') return methodOf(value, name, STRING_METHODS, STRING_NAMES, budget);
  if (Array.isArray(value)) return methodOf(value, name, LIST_METHODS, LIST_NAMES, budget);
  if (isDict(value)) return methodOf(value, name, DICT_METHODS, DICT_NAMES, budget);
  if (value === null) return undefined;
  if (hasName(value, name)) throw unsupported('such an attribute');
  return undefined;
}

function hasName(value: unknown, name: string): boolean {
  if (value instanceof Generator) return GENERATOR_NAMES.has(name);
  if (value instanceof DictView) return VIEW_NAMES.has(name);
  if (value instanceof Tuple) return TUPLE_NAMES.has(name);
  if (value instanceof Float || (typeof value === 'number' && !Number.isInteger(value)))
    return FLOAT_NAMES.has(name);
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return INT_NAMES.has(name);
  return true;
}

function methodOf<Self>(
  self: Self,
  name: string,
  methods: ReadonlyMap<string, Builtin<Self>>,
  known: ReadonlySet<string>,
  budget: Budget,
): unknown {
  if (!known.has(name) || (typeof self !== 'string' && MUTATING.has(name))) return undefined;
  const method = methods.get(name);
  if (method !== undefined)
    return new Callable((args, named) => callMethod(self, method, args, named, budget));
  if (typeof self === 'string' && name === 'format') {
    return new Callable((args, named) => format(self, args, named, budget));
  }
  throw unsupported('such a method');
}

export function callMethod<Self>(
  self: Self,
  method: Builtin<Self>,
  args: readonly unknown[],
  named: Named,
  budget: Budget,
): unknown {
  return method.call(self, bind(method, args, named), budget);
}

/** The items of a dict, as `dict.items()` gives them. */
export function itemsOf(dict: Dict, budget: Budget): Tuple[] {
  return keysOf(dict, budget).map(key => new Tuple([key, dict[key]]));
}

function memberOr(dict: Dict, key: unknown, otherwise: unknown): unknown {
  if (typeof key === 'string') return Object.hasOwn(dict, key) ? dict[key] : otherwise;
  getMember(dict, key);
  return otherwise;
}

function isSame(a: unknown, b: unknown, budget: Budget): boolean {
  budget.spend(1);
  return equals(a, b, budget);
}

function found(at: number): number {
  if (at === -1) throw failed('a value that is not in the list');
  return at;
}
