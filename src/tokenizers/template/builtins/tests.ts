import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { contains, equals, order } from '../values/compare.ts';
import { LoopContext } from '../values/loop-context.ts';
import { str } from '../values/text.ts';
import {
  Callable,
  DictView,
  Generator,
  isDict,
  isFloat,
  isInt,
  Markup,
  numberOf,
  Range,
  Special,
  Tuple,
} from '../values/values.ts';
import { isLower, isUpper } from './strings.ts';

/** A test of jinja2's, with what it is compared with, if anything. */
export interface Test {
  readonly arguments: 0 | 1;
  readonly passes: (value: unknown, other: unknown, budget: Budget) => boolean;
}

function plain(passes: (value: unknown, budget: Budget) => boolean): Test {
  return { arguments: 0, passes: (value, _, budget) => passes(value, budget) };
}

function comparing(passes: Test['passes']): Test {
  return { arguments: 1, passes };
}

const EQUAL = comparing(equals);
const UNEQUAL = comparing((a, b, budget) => !equals(a, b, budget));
const GREATER = comparing((a, b, budget) => order(a, b, budget) > 0);
const AT_LEAST = comparing((a, b, budget) => order(a, b, budget) >= 0);
const LESS = comparing((a, b, budget) => order(a, b, budget) < 0);
const AT_MOST = comparing((a, b, budget) => order(a, b, budget) <= 0);

export const TESTS: ReadonlyMap<string, Test> = new Map([
  ['defined', plain(value => value !== undefined)],
  ['undefined', plain(value => value === undefined)],
  ['none', plain(value => value === null)],
  ['boolean', plain(value => typeof value === 'boolean')],
  ['true', plain(value => value === true)],
  ['false', plain(value => value === false)],
  ['integer', plain(isInt)],
  ['float', plain(isFloat)],
  ['number', plain(value => typeof value === 'boolean' || isInt(value) || isFloat(value))],
  ['string', plain(value => typeof value === 'string' || value instanceof Markup)],
  ['mapping', plain(isDict)],
  ['sequence', plain(isSequence)],
  ['iterable', plain(isIterable)],
  [
    'callable',
    plain(value => value === undefined || value instanceof Callable || value instanceof LoopContext),
  ],
  ['escaped', plain(value => value instanceof Markup)],
  ['lower', plain((value, budget) => isLower(str(value, budget)))],
  ['upper', plain((value, budget) => isUpper(str(value, budget)))],
  ['odd', plain(value => remainder(value, 2) === 1)],
  ['even', plain(value => remainder(value, 2) === 0)],
  ['divisibleby', comparing((value, by) => remainder(value, remainderBy(by)) === 0)],
  ['in', comparing((value, container, budget) => contains(container, value, budget))],
  ['sameas', comparing(isSameObject)],
  ...named(['==', 'eq', 'equalto'], EQUAL),
  ...named(['!=', 'ne'], UNEQUAL),
  ...named(['>', 'gt', 'greaterthan'], GREATER),
  ...named(['>=', 'ge'], AT_LEAST),
  ...named(['<', 'lt', 'lessthan'], LESS),
  ...named(['<=', 'le'], AT_MOST),
]);

function named(names: readonly string[], test: Test): [string, Test][] {
  return names.map(name => [name, test]);
}

function isSequence(value: unknown): boolean {
  return (
    value === undefined ||
    typeof value === 'string' ||
    Array.isArray(value) ||
    isDict(value) ||
    [Tuple, Range, Markup].some(kind => value instanceof kind)
  );
}

function isIterable(value: unknown): boolean {
  return (
    isSequence(value) ||
    value instanceof DictView ||
    value instanceof Generator ||
    value instanceof LoopContext
  );
}

function remainder(value: unknown, by: number): number {
  const number = numberOf(value);
  if (number === undefined) {
    if (typeof value === 'string' || value instanceof Special)
      throw unsupported('the remainder of such a value');
    throw failed('the remainder of what is no number');
  }
  if (isFloat(value)) throw unsupported('the remainder of floats');
  return number - by * Math.floor(number / by);
}

function remainderBy(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw unsupported('divisible by such a value');
  if (value === 0) throw failed('division by zero');
  return value;
}

function isSameObject(a: unknown, b: unknown): boolean {
  if (a === null || b === null || typeof a === 'boolean' || typeof b === 'boolean') return a === b;
  throw unsupported('whether two values are the same object');
}
