import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { LoopContext } from '../values/loop-context.ts';
import { indexOf, isDict, isFlat, memberOf, Namespace, Range, Special, Tuple } from '../values/values.ts';
import { attributeOf, isDictAttribute } from './methods.ts';

/** `value.name`: the attribute, or else the member. */
export function getAttribute(value: unknown, name: string, budget: Budget): unknown {
  if (isDict(value)) return isDictAttribute(name) ? attributeOf(value, name, budget) : memberOf(value, name);
  if (value === undefined) throw failed('a member of what is undefined');
  return ownAttribute(value, name, budget);
}

/** `value[key]`: the member or element, or else the attribute. */
export function getItem(value: unknown, key: unknown, budget: Budget): unknown {
  if (value === undefined) throw failed('a member of what is undefined');
  if (typeof key === 'string') {
    if (isDict(value) && Object.hasOwn(value, key)) return value[key];
    return ownAttribute(value, key, budget);
  }
  if (typeof key !== 'number' && typeof key !== 'boolean') {
    if (key instanceof Special && !(key instanceof Tuple)) throw unsupported('such an index');
    return undefined;
  }
  const index = Number(key);
  if (!Number.isInteger(index)) return undefined;
  if (typeof value === 'string') return characterAt(value, index, budget);
  return elementsOf(value)?.at(index);
}

function ownAttribute(value: unknown, name: string, budget: Budget): unknown {
  if (value instanceof LoopContext) return value.attribute(name);
  if (value instanceof Namespace) return name.startsWith('_') ? undefined : value.attributes.get(name);
  return attributeOf(value, name, budget);
}

function elementsOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  return value instanceof Tuple || value instanceof Range ? value.items : undefined;
}

function characterAt(text: string, index: number, budget: Budget): string | undefined {
  budget.spendCharacters(text.length);
  return isFlat(text) ? text.at(index) : [...text].at(index);
}

export interface SliceBounds {
  readonly start: unknown;
  readonly stop: unknown;
  readonly step: unknown;
}

/** `value[start:stop:step]`, where None and nothing are the same. */
export function getSlice(value: unknown, bounds: SliceBounds, budget: Budget): unknown {
  if (typeof value === 'string') {
    budget.spendCharacters(value.length);
    if (isFlat(value) && isStepOne(bounds.step)) {
      const [start, stop] = ends(value.length, bounds);
      return value.slice(start, Math.max(start, stop));
    }
    return sliced(isFlat(value) ? value.split('') : [...value], bounds, budget).join('');
  }
  if (Array.isArray(value)) return sliced(value, bounds, budget);
  if (value instanceof Tuple) return new Tuple(sliced(value.items, bounds, budget));
  if (value instanceof Range) throw unsupported('a slice of a range');
  if (value instanceof Special) throw unsupported('a slice of such a value');
  throw failed('a slice of what is no sequence');
}

function isStepOne(step: unknown): boolean {
  return step === null || step === 1;
}

function ends(length: number, { start, stop }: SliceBounds): [number, number] {
  return [clamped(start, 0, length, 0, length), clamped(stop, length, length, 0, length)];
}

function clamped(bound: unknown, otherwise: number, length: number, least: number, most: number): number {
  if (bound === null) return otherwise;
  const at = indexOf(bound);
  return Math.min(Math.max(at < 0 ? at + length : at, least), most);
}

function sliced<T>(items: readonly T[], bounds: SliceBounds, budget: Budget): T[] {
  const { length } = items;
  const step = bounds.step === null ? 1 : indexOf(bounds.step);
  if (step === 0) throw failed('a slice with steps of zero');
  if (step === 1) {
    const [start, stop] = ends(length, bounds);
    budget.spend(Math.max(0, stop - start));
    return items.slice(start, Math.max(start, stop));
  }
  budget.spend(length);
  const found: T[] = [];
  if (step > 0) {
    const [start, stop] = ends(length, bounds);
    for (let at = start; at < stop; at += step) found.push(items[at]!);
  } else {
    const start = clamped(bounds.start, length - 1, length, -1, length - 1);
    const stop = clamped(bounds.stop, -1, length, -1, length - 1);
    for (let at = start; at > stop; at += step) found.push(items[at]!);
  }
  return found;
}
