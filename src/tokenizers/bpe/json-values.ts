/** Values of parsed JSON of which nothing is known. Each throws InvalidTokenizer that names the place. */
import { InvalidTokenizer, UnsupportedTokenizer } from './refusals.ts';

export type JsonRecord = Readonly<Record<string, unknown>>;

export function recordOf(value: unknown, what: string): JsonRecord {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonRecord;
  throw new InvalidTokenizer(`${what} is no object`);
}

export function parseRecord(text: string, what: string): JsonRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidTokenizer(`${what} is not JSON`);
  }
  return recordOf(value, what);
}

export function listOf(value: unknown, what: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidTokenizer(`${what} is no list`);
  if (value.length > most) throw new UnsupportedTokenizer(`${what} has more than ${most} entries`);
  return value;
}

export function stringOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new InvalidTokenizer(`${what} is no text`);
}

/** @param whenAbsent what it is if the record has no such field; without, the field must be there */
export function flagOf(record: JsonRecord, field: string, whenAbsent?: boolean): boolean {
  const value = fieldOf(record, field) ?? whenAbsent;
  if (typeof value === 'boolean') return value;
  throw new InvalidTokenizer(`${field} is neither true nor false`);
}

export function choiceOf<T extends string>(value: unknown, choices: readonly T[], what: string): T {
  const choice = choices.find(name => name === value);
  if (choice === undefined) throw new InvalidTokenizer(`${what} is none of ${choices.join(', ')}`);
  return choice;
}

/** A field of its own: `constructor` is not there unless the file has it. */
export function fieldOf(record: JsonRecord, field: string): unknown {
  return Object.hasOwn(record, field) ? record[field] : undefined;
}
