import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { orderOfStrings } from './compare.ts';
import { floatText } from './text.ts';
import { DictView, Float, Generator, isDict, Markup, Range, Special, Tuple } from './values.ts';

/** How `json.dumps` writes. */
export interface JsonStyle {
  /** What one level is indented by; undefined for all on one line. */
  readonly indent: string | undefined;
  readonly itemSeparator: string;
  readonly keySeparator: string;
  readonly keys: 'as-given' | 'sorted';
}

/** How `tojson` writes where it is not told otherwise. */
export const USUAL_STYLE: JsonStyle = {
  ...{ indent: undefined, itemSeparator: ', ', keySeparator: ': ', keys: 'as-given' },
};

/** What was written of objects that may come again, and the steps that it took: nothing changes them. */
const written = new WeakMap<object, { readonly text: string; readonly steps: number }>();

/** `json.dumps(value, ensure_ascii=False)`. */
export function dumps(value: unknown, style: JsonStyle, budget: Budget): string {
  if (style !== USUAL_STYLE || !isDict(value)) return writeWhole(value, style, budget);
  const known = written.get(value);
  if (known !== undefined) {
    // As if it were written again: what a request may take does not depend on those before it.
    budget.spend(known.steps);
    budget.allowText(known.text.length);
    return known.text;
  }
  const before = budget.stepsLeft;
  const text = writeWhole(value, style, budget);
  written.set(value, { text, steps: before - budget.stepsLeft });
  return text;
}

function writeWhole(value: unknown, style: JsonStyle, budget: Budget): string {
  return write(value, style, style.indent === undefined ? '' : '\n', budget);
}

function write(value: unknown, style: JsonStyle, newline: string, budget: Budget): string {
  budget.spend(1);
  switch (typeof value) {
    case 'string':
      budget.allowString(value.length);
      return quoted(value);
    case 'number':
      return Number.isInteger(value) ? String(value) : jsonFloat(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'bigint':
      return String(value);
    default:
  }
  if (value === null) return 'null';
  if (value instanceof Float) return floatText(value.value);
  if (Array.isArray(value)) return writeList(value, style, newline, budget);
  if (value instanceof Tuple) return writeList(value.items, style, newline, budget);
  if (isDict(value)) return writeDict(value, style, newline, budget);
  if (value instanceof Markup) return quoted(value.text);
  if (
    value === undefined ||
    value instanceof Generator ||
    value instanceof DictView ||
    value instanceof Range
  ) {
    throw failed('a value has no JSON');
  }
  throw value instanceof Special ? failed('a value has no JSON') : unsupported('an unknown value');
}

function writeList(items: readonly unknown[], style: JsonStyle, newline: string, budget: Budget): string {
  if (items.length === 0) return '[]';
  const inner = newline === '' ? '' : newline + style.indent!;
  const between = style.itemSeparator + inner;
  budget.enter();
  let text = `[${inner}`;
  for (let at = 0; at < items.length; at++) {
    if (at > 0) text += between;
    text += write(items[at], style, inner, budget);
    budget.allowText(text.length);
  }
  budget.leave();
  return `${text}${newline}]`;
}

function writeDict(
  dict: Readonly<Record<string, unknown>>,
  style: JsonStyle,
  newline: string,
  budget: Budget,
): string {
  const keys = Object.keys(dict);
  if (keys.length === 0) return '{}';
  if (style.keys === 'sorted') keys.sort(orderOfStrings);
  const inner = newline === '' ? '' : newline + style.indent!;
  const between = style.itemSeparator + inner;
  budget.enter();
  let text = `{${inner}`;
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at]!;
    if (at > 0) text += between;
    budget.spendCharacters(key.length);
    text += quoted(key) + style.keySeparator + write(dict[key], style, inner, budget);
    budget.allowText(text.length);
  }
  budget.leave();
  return `${text}${newline}}`;
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return floatText(value);
}

function quoted(text: string): string {
  // Python writes a lone surrogate as it is, which then cannot be encoded; JavaScript escapes it.
  if (!text.isWellFormed()) throw failed('half of a surrogate pair');
  return JSON.stringify(text);
}
