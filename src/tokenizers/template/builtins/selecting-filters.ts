import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { Generator, isTrue, type Named } from '../values/values.ts';
import { alongPath, attributePath } from './attribute-path.ts';
import { FILTERS } from './filters.ts';
import { paidFor } from './list-filters.ts';
import { bind } from './parameters.ts';
import { TESTS } from './tests.ts';

/** A filter that names another filter or a test, which is applied to each item. */
export type SelectingFilter = (
  value: unknown,
  args: readonly unknown[],
  named: Named,
  budget: Budget,
) => unknown;

export const SELECTING_FILTERS: ReadonlyMap<string, SelectingFilter> = new Map<string, SelectingFilter>([
  ['map', map],
  ['select', selecting('item', true)],
  ['reject', selecting('item', false)],
  ['selectattr', selecting('attribute', true)],
  ['rejectattr', selecting('attribute', false)],
]);

function map(value: unknown, args: readonly unknown[], named: Named, budget: Budget): Generator {
  if (!isTrue(value)) return new Generator([]);
  const call =
    args.length === 0 && named.has('attribute') ? ofAttribute(named, budget) : ofFilter(args, named, budget);
  return new Generator(paidFor(value, budget).map(call));
}

function ofAttribute(named: Named, budget: Budget): (item: unknown) => unknown {
  if ([...named.keys()].some(name => name !== 'attribute' && name !== 'default'))
    throw failed('such arguments of map');
  const path = attributePath(named.get('attribute'));
  const otherwise = named.get('default');
  if (otherwise === undefined || otherwise === null) return item => alongPath(item, path, budget);
  return item =>
    path.reduce<unknown>(
      (at, part) => alongPath(at, [part], budget) ?? orNone(at, part, otherwise, budget),
      item,
    );
}

/** None is a value, undefined is none. */
function orNone(at: unknown, part: string | number, otherwise: unknown, budget: Budget): unknown {
  return alongPath(at, [part], budget) === null ? null : otherwise;
}

function ofFilter(
  [name, ...args]: readonly unknown[],
  named: Named,
  budget: Budget,
): (item: unknown) => unknown {
  const filter = typeof name === 'string' ? FILTERS.get(name) : undefined;
  if (filter === undefined) throw unsupported('such a filter of map');
  const bound = bind(filter, args, named);
  return item => filter.call(item, bound, budget);
}

function selecting(of: 'item' | 'attribute', wanted: boolean): SelectingFilter {
  return (value, args, named, budget) => {
    if (!isTrue(value)) return new Generator([]);
    if (named.size > 0) throw unsupported('named arguments of a test');
    if (of === 'attribute' && args.length === 0) throw failed('no attribute is named');
    const path = of === 'attribute' ? attributePath(args[0]) : [];
    const passes = testOf(of === 'attribute' ? args.slice(1) : args, budget);
    return new Generator(
      paidFor(value, budget).filter(item => passes(alongPath(item, path, budget)) === wanted),
    );
  };
}

function testOf([name, ...args]: readonly unknown[], budget: Budget): (value: unknown) => boolean {
  if (name === undefined) return isTrue;
  const test = typeof name === 'string' ? TESTS.get(name) : undefined;
  if (test === undefined) throw unsupported('such a test');
  if (args.length !== test.arguments) throw failed('such arguments of a test');
  return value => test.passes(value, args[0], budget);
}
