import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { asFloat, Float, indexOf, isInt, numberOf, Special } from '../values/values.ts';
import { stripEnd, stripStart } from '../values/whitespace.ts';
import { ABSENT, given } from './parameters.ts';
import { isAscii } from './strings.ts';

const INTEGER = /^[-+]?\d+$/;
const FLOAT = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i;
/** What Python may read as a number, but is not read here: underscores, other digits, names of what is not finite. */
const DOUBTFUL = /\d_\d|^[-+]?(?:inf|nan)/i;
const LONGEST = 300;

/** The filter `int`. */
export function toInt(value: unknown, [otherwise, base]: readonly unknown[], budget: Budget): unknown {
  if (given(base, 10) !== 10) throw unsupported('integers of another base');
  if (isInt(value)) return value;
  const number = numberIn(value, budget);
  if (number === undefined) return given(otherwise, 0);
  const whole = Math.trunc(number) + 0;
  if (!Number.isSafeInteger(whole)) throw unsupported('integers beyond 2^53');
  return whole;
}

/** The filter `float`. */
export function toFloat(value: unknown, [otherwise]: readonly unknown[], budget: Budget): unknown {
  const number = numberIn(value, budget);
  return number === undefined ? given(otherwise, new Float(0)) : asFloat(number);
}

function numberIn(value: unknown, budget: Budget): number | undefined {
  if (typeof value !== 'string') {
    if (value === undefined) throw failed('a number of what is undefined');
    return numberOf(value);
  }
  budget.spendCharacters(value.length);
  const text = stripEnd(stripStart(value));
  if (text.length > LONGEST || !isAscii(text) || DOUBTFUL.test(text))
    throw unsupported('such text of a number');
  if (!INTEGER.test(text) && !FLOAT.test(text)) return undefined;
  const number = Number(text);
  if (!Number.isFinite(number)) throw unsupported('floats that overflow');
  return number;
}

/** The filter `round`; `common` rounds halves to even, which is told by the exact value. */
export function rounded(value: unknown, [digits, kind]: readonly unknown[]): unknown {
  const number = numberOf(value);
  if (number === undefined) {
    throw value instanceof Special ? unsupported('such a value') : failed('round of what is no number');
  }
  const precision = digits === ABSENT ? 0 : indexOf(digits);
  if (precision < 0 || precision > 15 || Math.abs(number) >= 1e15) throw unsupported('such rounding');
  const scale = 10 ** precision;
  switch (given(kind, 'common')) {
    case 'ceil':
      return asFloat(Math.ceil(number * scale) / scale);
    case 'floor':
      return asFloat(Math.floor(number * scale) / scale);
    case 'common':
      break;
    default:
      throw failed('such a method of rounding');
  }
  if (isInt(value) || typeof value === 'boolean') return number;
  if ((Math.abs(number) * scale) % 1 === 0.5) throw unsupported('rounding a half');
  return asFloat(Number(number.toFixed(precision)));
}
