import type { Budget } from '../budget.ts';
import { indexOf } from '../values/values.ts';
import { getItem } from './access.ts';
import { ABSENT } from './parameters.ts';

/** `a.b.0`, as filters name an attribute of each item: names and indices. */
export type AttributePath = readonly (string | number)[];

export function attributePath(attributes: unknown): AttributePath {
  if (attributes === ABSENT || attributes === null) return [];
  if (typeof attributes === 'string')
    return attributes.split('.').map(part => (/^\d+$/.test(part) ? Number(part) : part));
  return [indexOf(attributes)];
}

export function alongPath(value: unknown, path: AttributePath, budget: Budget): unknown {
  budget.spend(path.length);
  return path.reduce<unknown>((at, part) => getItem(at, part, budget), value);
}
