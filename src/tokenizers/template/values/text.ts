import type { Budget } from '../budget.ts';
import { unsupported } from '../template-error.ts';
import { DictView, Float, isDict, Markup, Special, Tuple } from './values.ts';

/** Python's `str()`, which is what `{{ }}` and `~` print. */
export function str(value: unknown, budget: Budget): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  if (value instanceof Markup) return value.text;
  return repr(value, budget);
}

/** Python's `repr()`. */
export function repr(value: unknown, budget: Budget): string {
  budget.spend(1);
  switch (typeof value) {
    case 'string':
      budget.allowString(value.length);
      return reprString(value, budget);
    case 'number':
      return Number.isInteger(value) ? String(value) : floatText(value);
    case 'boolean':
      return value ? 'True' : 'False';
    case 'bigint':
      return String(value);
    case 'undefined':
      return 'Undefined';
    default:
  }
  if (value === null) return 'None';
  if (value instanceof Float) return floatText(value.value);
  if (Array.isArray(value)) return `[${reprAll(value, budget)}]`;
  if (value instanceof Tuple)
    return `(${reprAll(value.items, budget)}${value.items.length === 1 ? ',' : ''})`;
  if (isDict(value)) {
    return `{${joined(Object.keys(value), key => `${reprString(key, budget)}: ${repr(value[key], budget)}`, budget)}}`;
  }
  if (value instanceof DictView || value instanceof Special) throw unsupported('printing such a value');
  throw unsupported('an unknown value');
}

function reprAll(items: readonly unknown[], budget: Budget): string {
  return joined(items, item => repr(item, budget), budget);
}

function joined<T>(items: readonly T[], write: (item: T) => string, budget: Budget): string {
  budget.enter();
  let text = '';
  for (const item of items) {
    text += text === '' ? write(item) : `, ${write(item)}`;
    budget.allowText(text.length);
  }
  budget.leave();
  return text;
}

/** Python switches to exponents below 1e-4 and from 1e16 on; the digits are the shortest ones in both languages. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const [digits, exponentText] = value.toExponential().split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (exponent < 0) {
    const sign = value < 0 ? '-' : '';
    return `${sign}0.${'0'.repeat(-exponent - 1)}${digits.replace(/[-.]/g, '')}`;
  }
  const text = String(value);
  return text.includes('.') ? text : `${text}.0`;
}

const PLAIN = /^[\x20-\x26\x28-\x5b\x5d-\x7e]*$/;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);
const UNPRINTABLE = /[\\\p{C}\p{Z}]/gu;

function reprString(text: string, budget: Budget): string {
  if (PLAIN.test(text)) return `'${text}'`;
  budget.spend(text.length / 2);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(UNPRINTABLE, escapeCharacter);
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
}

function escapeCharacter(character: string): string {
  if (character === ' ') return character;
  const known = ESCAPES.get(character);
  if (known !== undefined) return known;
  const code = character.codePointAt(0)!;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
