import type { Budget } from '../budget.ts';
import { getAttribute, getItem, getSlice } from '../builtins/access.ts';
import { FILTERS } from '../builtins/filters.ts';
import { callMethod, DICT_METHODS } from '../builtins/methods.ts';
import { type Builtin, bind } from '../builtins/parameters.ts';
import { SELECTING_FILTERS } from '../builtins/selecting-filters.ts';
import { STRING_METHODS } from '../builtins/strings.ts';
import { TESTS } from '../builtins/tests.ts';
import type { Arguments, Call, Comparison, Expression, Filter, Slice } from '../syntax/nodes.ts';
import { childrenOf } from '../syntax/walk.ts';
import { failed, unsupported } from '../template-error.ts';
import { type ArithmeticOperator, arithmetic, signed } from '../values/arithmetic.ts';
import { contains, equals, order } from '../values/compare.ts';
import { str } from '../values/text.ts';
import {
  Callable,
  isDict,
  isTrue,
  iterate,
  makeDict,
  type Named,
  NO_NAMES,
  Special,
  Tuple,
} from '../values/values.ts';
import type { Evaluate, Frame } from './rendering.ts';
import type { Scope } from './scope.ts';

/** How many steps an expression is: its nodes. */
export function weightOf(expression: Expression): number {
  let weight = 1;
  for (const child of childrenOf(expression)) weight += weightOf(child as Expression);
  return weight;
}

/** Makes a function of an expression. What it costs is paid for by the statement that it is in. */
export function compileExpression(node: Expression, scope: Scope): Evaluate {
  switch (node.type) {
    case 'const': {
      const { value } = node;
      return () => value;
    }
    case 'name':
      return scope.read(scope.symbols.reference(node.name));
    case 'list': {
      const items = compileAll(node.items, scope);
      return frame => items.map(item => item(frame));
    }
    case 'tuple': {
      const items = compileAll(node.items, scope);
      return frame => new Tuple(items.map(item => item(frame)));
    }
    case 'dict':
      return compileDict(node.entries, scope);
    case 'getattr': {
      const of = compileExpression(node.node, scope);
      const { name } = node;
      if (name.startsWith('__')) throw unsupported('attributes that begin with two underscores');
      return frame => getAttribute(of(frame), name, frame.rendering.budget);
    }
    case 'getitem': {
      const of = compileExpression(node.node, scope);
      const key = compileExpression(node.item, scope);
      return frame => getItem(of(frame), key(frame), frame.rendering.budget);
    }
    case 'getslice':
      return compileSlice(node.node, node.slice, scope);
    case 'call':
      return compileCall(node, scope, undefined);
    case 'filter':
      if (node.node === undefined) throw new Error('a filter of a block is not an expression');
      return compileFilter(node, compileExpression(node.node, scope), scope);
    case 'test': {
      const test = TESTS.get(node.name);
      if (test === undefined || test.arguments > 0) throw unsupported('such a test');
      const operand = compileExpression(node.node, scope);
      return frame => test.passes(operand(frame), undefined, frame.rendering.budget);
    }
    case 'compare':
      return compileComparison(node.first, node.rest, scope);
    case 'arithmetic': {
      const operator = node.operator as ArithmeticOperator;
      const left = compileExpression(node.left, scope);
      const right = compileExpression(node.right, scope);
      return frame => arithmetic(operator, left(frame), right(frame), frame.rendering.budget);
    }
    case 'concat':
      return compileConcat(compileAll(node.items, scope));
    case 'and': {
      const left = compileExpression(node.left, scope);
      const right = compileExpression(node.right, scope);
      return frame => {
        const value = left(frame);
        return isTrue(value) ? right(frame) : value;
      };
    }
    case 'or': {
      const left = compileExpression(node.left, scope);
      const right = compileExpression(node.right, scope);
      return frame => {
        const value = left(frame);
        return isTrue(value) ? value : right(frame);
      };
    }
    case 'not': {
      const operand = compileExpression(node.node, scope);
      return frame => !isTrue(operand(frame));
    }
    case 'sign': {
      const operand = compileExpression(node.node, scope);
      const { sign } = node;
      return frame => signed(sign, operand(frame));
    }
    case 'condition': {
      const test = compileExpression(node.test, scope);
      const yes = compileExpression(node.yes, scope);
      const no = node.no === undefined ? () => undefined : compileExpression(node.no, scope);
      return frame => (isTrue(test(frame)) ? yes(frame) : no(frame));
    }
  }
}

export function compileAll(nodes: readonly Expression[], scope: Scope): Evaluate[] {
  return nodes.map(node => compileExpression(node, scope));
}

function compileDict(entries: readonly (readonly [Expression, Expression])[], scope: Scope): Evaluate {
  const compiled = entries.map(
    ([key, value]) => [compileExpression(key, scope), compileExpression(value, scope)] as const,
  );
  return frame =>
    makeDict(
      compiled.map(([key, value]) => {
        const name = key(frame);
        if (typeof name !== 'string') throw unsupported('keys that are no strings');
        return [name, value(frame)] as const;
      }),
    );
}

function compileSlice(node: Expression, { start, stop, step }: Slice, scope: Scope): Evaluate {
  const of = compileExpression(node, scope);
  const [from, to, by] = [start, stop, step].map(part =>
    part === undefined ? () => null : compileExpression(part, scope),
  ) as [Evaluate, Evaluate, Evaluate];
  return frame =>
    getSlice(of(frame), { start: from(frame), stop: to(frame), step: by(frame) }, frame.rendering.budget);
}

function compileConcat(items: readonly Evaluate[]): Evaluate {
  return frame => {
    const { budget } = frame.rendering;
    let text = '';
    for (const item of items) text += str(item(frame), budget);
    budget.allowString(text.length);
    return text;
  };
}

type Comparing = (a: unknown, b: unknown, budget: Budget) => boolean;

const COMPARING: ReadonlyMap<string, Comparing> = new Map<string, Comparing>([
  ['==', equals],
  ['!=', (a, b, budget) => !equals(a, b, budget)],
  ['<', (a, b, budget) => order(a, b, budget) < 0],
  ['<=', (a, b, budget) => order(a, b, budget) <= 0],
  ['>', (a, b, budget) => order(a, b, budget) > 0],
  ['>=', (a, b, budget) => order(a, b, budget) >= 0],
  ['in', (a, b, budget) => contains(b, a, budget)],
  ['not in', (a, b, budget) => !contains(b, a, budget)],
]);

function compileComparison(first: Expression, rest: readonly Comparison[], scope: Scope): Evaluate {
  const left = compileExpression(first, scope);
  const compiled = rest.map(({ operator, node }) => ({
    compare: COMPARING.get(operator)!,
    right: compileExpression(node, scope),
  }));
  if (compiled.length === 1) {
    const [{ compare, right }] = compiled as [(typeof compiled)[number]];
    return frame => compare(left(frame), right(frame), frame.rendering.budget);
  }
  return frame => {
    let value = left(frame);
    for (const { compare, right } of compiled) {
      const next = right(frame);
      if (!compare(value, next, frame.rendering.budget)) return false;
      value = next;
    }
    return true;
  };
}

interface CompiledArguments {
  readonly args: (frame: Frame) => unknown[];
  readonly named: (frame: Frame) => Named;
}

function compileArguments(node: Arguments, scope: Scope): CompiledArguments {
  const args = compileAll(node.args, scope);
  const named = node.named.map(([name, value]) => [name, compileExpression(value, scope)] as const);
  return {
    args: compileSpread(args, node.spread, scope),
    named:
      named.length === 0
        ? () => NO_NAMES
        : frame => new Map(named.map(([name, value]) => [name, value(frame)])),
  };
}

function compileSpread(
  args: readonly Evaluate[],
  spread: Expression | undefined,
  scope: Scope,
): CompiledArguments['args'] {
  if (spread === undefined) return frame => args.map(value => value(frame));
  const others = compileExpression(spread, scope);
  return frame => {
    const given = args.map(value => value(frame));
    const values = iterate(others(frame), frame.rendering.budget);
    frame.rendering.budget.spend(values.length);
    return [...given, ...values];
  };
}

/** A filter of what `operand` gives. */
export function compileFilter(node: Filter, operand: Evaluate, scope: Scope): Evaluate {
  const { args, named } = compileArguments(node, scope);
  const selecting = SELECTING_FILTERS.get(node.name);
  if (selecting !== undefined) {
    return frame => selecting(operand(frame), args(frame), named(frame), frame.rendering.budget);
  }
  const filter = FILTERS.get(node.name);
  if (filter === undefined) throw unsupported('such a filter');
  if (node.args.length + node.named.length === 0 && node.spread === undefined) {
    const nothing = bind(filter, [], NO_NAMES);
    return frame => filter.call(operand(frame), nothing, frame.rendering.budget);
  }
  return frame => {
    const value = operand(frame);
    return filter.call(value, bind(filter, args(frame), named(frame)), frame.rendering.budget);
  };
}

/** A call; that of a call block brings its body as the argument `caller`. */
export function compileCall(node: Call, scope: Scope, caller: Evaluate | undefined): Evaluate {
  const own = compileArguments(node, scope);
  const { args } = own;
  const named: (frame: Frame) => Named =
    caller === undefined ? own.named : frame => new Map([...own.named(frame), ['caller', caller(frame)]]);
  if (node.node.type !== 'getattr') {
    const callee = compileExpression(node.node, scope);
    return frame => call(callee(frame), args(frame), named(frame));
  }
  const { name } = node.node;
  if (name.startsWith('__')) throw unsupported('attributes that begin with two underscores');
  const of = compileExpression(node.node.node, scope);
  const ofString = STRING_METHODS.get(name);
  const ofDict = DICT_METHODS.get(name);
  return frame => {
    const { budget } = frame.rendering;
    const self = of(frame);
    if (typeof self === 'string' && ofString !== undefined) return withArguments(self, ofString, frame);
    if (ofDict !== undefined && isDict(self)) return withArguments(self, ofDict, frame);
    return call(getAttribute(self, name, budget), args(frame), named(frame));
  };

  function withArguments<Self>(self: Self, method: Builtin<Self>, frame: Frame): unknown {
    return callMethod(self, method, args(frame), named(frame), frame.rendering.budget);
  }
}

function call(callee: unknown, args: readonly unknown[], named: Named): unknown {
  if (callee instanceof Callable) return callee.call(args, named);
  if (callee instanceof Special) throw unsupported('calling such a value');
  throw failed('what is no function is called');
}
