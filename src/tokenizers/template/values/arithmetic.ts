import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { printf } from './printf.ts';
import { asFloat, Float, isFloat, Markup, numberOf, Range, Special, Tuple } from './values.ts';

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';

/** Python's arithmetic, where nothing but numbers of each kind, strings and lists mix. */
export function arithmetic(operator: ArithmeticOperator, a: unknown, b: unknown, budget: Budget): unknown {
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return concatenated(a, b, budget);
    if (Array.isArray(a) && Array.isArray(b)) return together(a, b, budget);
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple(together(a.items, b.items, budget));
  }
  if (operator === '*') {
    const repeated = repeat(a, b, budget) ?? repeat(b, a, budget);
    if (repeated !== undefined) return repeated;
  }
  if (operator === '%' && typeof a === 'string') return printf(a, b, budget);
  const x = numberOf(a);
  const y = numberOf(b);
  if (x === undefined || y === undefined) {
    if ([a, b].some(value => value instanceof Markup || value instanceof Range))
      throw unsupported('such operands');
    throw failed('unlike types are joined by an operator');
  }
  return isFloat(a) || isFloat(b) || operator === '/' ? floats(operator, x, y) : ints(operator, x, y);
}

function concatenated(a: string, b: string, budget: Budget): string {
  budget.allowString(a.length + b.length);
  return a + b;
}

function together(a: readonly unknown[], b: readonly unknown[], budget: Budget): unknown[] {
  budget.spend(a.length + b.length);
  return [...a, ...b];
}

function repeat(what: unknown, times: unknown, budget: Budget): unknown {
  if (typeof times !== 'number' && typeof times !== 'boolean') return undefined;
  const count = Math.max(0, Number(times));
  if (!Number.isInteger(count)) return undefined;
  if (typeof what === 'string') {
    budget.allowString(what.length * count);
    return what.repeat(count);
  }
  if (what instanceof Tuple) throw unsupported('repeated tuples');
  if (!Array.isArray(what)) return undefined;
  budget.spend(what.length * count);
  return Array.from({ length: what.length * count }, (_, at) => what[at % what.length]);
}

function ints(operator: ArithmeticOperator, x: number, y: number): unknown {
  if (operator === '**' && y < 0) return floats(operator, x, y);
  if ((operator === '//' || operator === '%') && y === 0) throw failed('division by zero');
  const result = byOperator(operator, x, y);
  if (!Number.isSafeInteger(result)) throw unsupported('integers beyond 2^53');
  return result + 0;
}

function floats(operator: ArithmeticOperator, x: number, y: number): unknown {
  if (y === 0 && (operator === '/' || operator === '//' || operator === '%'))
    throw failed('division by zero');
  // Python corrects the quotient by the remainder, and its powers may differ in the last digit.
  if (operator === '//' || operator === '%' || operator === '**') throw unsupported(`${operator} of floats`);
  const result = byOperator(operator, x, y);
  if (!Number.isFinite(result)) throw unsupported('floats that overflow');
  return asFloat(result);
}

function byOperator(operator: ArithmeticOperator, x: number, y: number): number {
  switch (operator) {
    case '+':
      return x + y;
    case '-':
      return x - y;
    case '*':
      return x * y;
    case '/':
      return x / y;
    case '//':
      return Math.floor(x / y);
    case '%':
      return x - y * Math.floor(x / y);
    case '**':
      return x ** y;
  }
}

/** `-value` and `+value`. */
export function signed(sign: '-' | '+', value: unknown): unknown {
  const number = numberOf(value);
  if (number === undefined) {
    if (value instanceof Special) throw unsupported('the sign of such a value');
    throw failed('the sign of what is no number');
  }
  const result = sign === '-' ? -number : number;
  return value instanceof Float ? new Float(result) : isFloat(value) ? result : result + 0;
}
