import type { Budget } from './budget.ts';
import { unsupported } from './template-error.ts';
import { asFloat, Float, keepsOrder } from './values/values.ts';

/**
 * Takes JSON for Python's values: numbers that keep their text (`JSON.rawJSON`) become ints and floats of that text. What holds none
 * is taken as it is. Refused are objects whose members JavaScript has put into another order, and nesting that is too deep.
 */
export function admit(value: unknown, budget: Budget): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value) || !Number.isInteger(value) ? value + 0 : ofUnsafe(value);
    case 'string':
    case 'boolean':
      return value;
    case 'undefined':
      throw unsupported('a variable without a value');
    case 'object':
      break;
    default:
      throw unsupported('a value that is no JSON');
  }
  if (value === null) return value;
  budget.spend(1);
  budget.enter();
  const admitted = Array.isArray(value) ? admitList(value, budget) : admitObject(value, budget);
  budget.leave();
  return admitted;
}

function admitList(list: readonly unknown[], budget: Budget): readonly unknown[] {
  budget.spend(list.length);
  let copy: unknown[] | undefined;
  for (let at = 0; at < list.length; at++) {
    const item = admit(list[at], budget);
    if (item === list[at]) continue;
    copy ??= [...list];
    copy[at] = item;
  }
  return copy ?? list;
}

function admitObject(value: object, budget: Budget): unknown {
  if (isRawJson(value)) return numberOfText(value.rawJSON);
  const dict = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(dict);
  budget.spend(keys.length);
  if (!keepsOrder(keys)) throw unsupported('members that are numbers');
  let changed: Map<string, unknown> | undefined;
  for (const key of keys) {
    const member = admit(dict[key], budget);
    if (member === dict[key]) continue;
    changed ??= new Map();
    changed.set(key, member);
  }
  if (changed === undefined) return dict;
  return Object.fromEntries(keys.map(key => [key, changed.has(key) ? changed.get(key) : dict[key]]));
}

interface RawJson {
  readonly rawJSON: string;
}

function isRawJson(value: object): value is RawJson {
  return (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON(value);
}

function numberOfText(text: string): unknown {
  if (/^-?\d+$/.test(text)) {
    const number = Number(text);
    return Number.isSafeInteger(number) ? number + 0 : BigInt(text);
  }
  if (!/^-?\d/.test(text)) throw unsupported('a value that is no JSON');
  return asFloat(Number(text));
}

/** Such a number had this text, which is an integer's below 1e21 and a float's from there on. */
function ofUnsafe(value: number): unknown {
  return Math.abs(value) < 1e21 ? BigInt(String(value)) : new Float(value);
}
