/** Arguments of calls as templates see them: objects, whatever they were. */
import { LRUCache } from 'lru-cache';
import { isObject, type Json } from '../../prompt/exact-json.ts';
import { parseShown } from './shown-values.ts';

/** What Python reads as JSON and JavaScript does not. */
const PYTHON_ONLY = /\b(?:NaN|Infinity)\b/;
/** What is kept, in characters of JSON; an eighth of it at most of one call. */
const MAX_CHARACTERS = 4 * 1024 * 1024;

/**
 * Parses arguments, and keeps what it has parsed: each turn of a conversation has all earlier calls again. Equal arguments are one
 * object, so that what a template prints of it can be kept as well.
 */
export class CallArguments {
  readonly #parsed = new LRUCache<string, Json>({
    maxSize: MAX_CHARACTERS,
    maxEntrySize: MAX_CHARACTERS / 8,
    sizeCalculation: (_, text) => text.length,
  });

  /** What cannot be read is an empty object. undefined: it is not known what Python makes of it. */
  parsed(given: unknown): Json | undefined {
    if (given === undefined || given === null || given === '') return {};
    if (isObject(given)) return given;
    if (typeof given !== 'string') return undefined;
    const known = this.#parsed.get(given);
    if (known !== undefined) return known;
    const parsed = parsedArguments(given);
    if (parsed !== undefined) this.#parsed.set(given, parsed);
    return parsed;
  }
}

function parsedArguments(text: string): Json | undefined {
  try {
    const parsed = parseShown(text);
    if (parsed.kind === 'changed') return undefined;
    return isObject(parsed.value) ? parsed.value : {};
  } catch (error) {
    return error instanceof SyntaxError && !PYTHON_ONLY.test(text) ? {} : undefined;
  }
}
