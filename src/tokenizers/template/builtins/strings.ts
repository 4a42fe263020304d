import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { indexOf, isFlat, iterate, Tuple } from '../values/values.ts';
import { isSpace, stripEnd, stripStart, WHITESPACE } from '../values/whitespace.ts';
import { ABSENT, type Builtin, builtin } from './parameters.ts';

/** Where this is unlike JavaScript in Unicode, text beyond ASCII is refused. */
export function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

const SPACES = new RegExp(`[${WHITESPACE}]+`);

type Method = Builtin<string>;

function kind(is: (text: string) => boolean): Method {
  return builtin('', (text, _, budget) => {
    budget.spendCharacters(text.length);
    return is(text);
  });
}

/** The methods of Python's `str` that templates use. */
export const STRING_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['strip', builtin('_chars?', (text, [chars], budget) => strip(text, chars, 'both', budget))],
  ['lstrip', builtin('_chars?', (text, [chars], budget) => strip(text, chars, 'start', budget))],
  ['rstrip', builtin('_chars?', (text, [chars], budget) => strip(text, chars, 'end', budget))],
  [
    'split',
    builtin('sep? maxsplit?', (text, [separator, most], budget) => split(text, separator, most, budget)),
  ],
  [
    'rsplit',
    builtin('sep? maxsplit?', (text, [separator, most], budget) =>
      splitFromEnd(text, separator, most, budget),
    ),
  ],
  ['splitlines', builtin('keepends?', (text, [keep], budget) => splitLines(text, keep, budget))],
  ['partition', builtin('_sep', (text, [separator], budget) => partition(text, separator, 'first', budget))],
  ['rpartition', builtin('_sep', (text, [separator], budget) => partition(text, separator, 'last', budget))],
  [
    'startswith',
    builtin('_prefix', (text, [prefix], budget) => some(prefix, affix => text.startsWith(affix), budget)),
  ],
  [
    'endswith',
    builtin('_suffix', (text, [suffix], budget) => some(suffix, affix => text.endsWith(affix), budget)),
  ],
  ['removeprefix', builtin('_prefix', (text, [prefix]) => withoutStart(text, stringIn(prefix)))],
  ['removesuffix', builtin('_suffix', (text, [suffix]) => withoutEnd(text, stringIn(suffix)))],
  ['upper', builtin('', upper)],
  ['lower', builtin('', lower)],
  ['title', builtin('', (text, _, budget) => titled(text, budget))],
  ['capitalize', builtin('', (text, _, budget) => capitalized(text, budget))],
  [
    'replace',
    builtin('_old _new _count?', (text, [old, by, count], budget) =>
      replaced(text, stringIn(old), stringIn(by), count === ABSENT ? -1 : indexOf(count), budget),
    ),
  ],
  [
    'join',
    builtin('_iterable', (text, [items], budget) =>
      joined(text, iterate(items, budget).map(stringIn), budget),
    ),
  ],
  [
    'find',
    builtin('_sub', (text, [part], budget) => position(text, text.indexOf(searched(text, part, budget)))),
  ],
  [
    'rfind',
    builtin('_sub', (text, [part], budget) => position(text, text.lastIndexOf(searched(text, part, budget)))),
  ],
  [
    'index',
    builtin('_sub', (text, [part], budget) =>
      found(position(text, text.indexOf(searched(text, part, budget)))),
    ),
  ],
  ['count', builtin('_sub', (text, [part], budget) => count(text, searched(text, part, budget)))],
  ['isdigit', kind(text => isAll(text, /^\d+$/))],
  ['isnumeric', kind(text => isAll(text, /^\d+$/))],
  ['isdecimal', kind(text => isAll(text, /^\d+$/))],
  ['isalpha', kind(text => isAll(text, /^[A-Za-z]+$/))],
  ['isalnum', kind(text => isAll(text, /^[A-Za-z0-9]+$/))],
  ['isspace', kind(text => text !== '' && stripStart(text) === '')],
  ['isupper', kind(text => isUpper(text))],
  ['islower', kind(text => isLower(text))],
]);

function stringIn(value: unknown): string {
  if (typeof value !== 'string') throw failed('a string was expected');
  return value;
}

/** `str.strip` and its siblings: of whitespace, or of the characters given. */
export function strip(text: string, chars: unknown, ends: 'both' | 'start' | 'end', budget: Budget): string {
  const isStripped = strippedBy(chars, text);
  const start = ends === 'end' ? text : stripStart(text, isStripped);
  const result = ends === 'start' ? start : stripEnd(start, isStripped);
  budget.spend(1 + text.length - result.length);
  return result;
}

function strippedBy(chars: unknown, text: string): (unit: string) => boolean {
  if (chars === ABSENT || chars === null) return isSpace;
  const units = new Set(stringIn(chars));
  if (!isFlat(chars as string) && !isFlat(text))
    throw unsupported('stripping characters beyond the basic plane');
  return unit => units.has(unit);
}

/** None and no argument alike split at whitespace. */
function separatorIn(value: unknown): string | undefined {
  if (value === ABSENT || value === null) return undefined;
  if (value === '') throw failed('an empty separator');
  return stringIn(value);
}

function mostIn(value: unknown): number {
  const most = value === ABSENT ? -1 : indexOf(value);
  return most < 0 ? Number.POSITIVE_INFINITY : most;
}

function split(text: string, separator: unknown, most: unknown, budget: Budget): string[] {
  const by = separatorIn(separator);
  const limit = mostIn(most);
  budget.spendSearch(text.length, by?.length ?? 1);
  // Of so many parts at the most.
  budget.spend(text.length / (by?.length ?? 2));
  const parts: string[] = [];
  let rest = by === undefined ? stripStart(text) : text;
  if (by === undefined && limit === Number.POSITIVE_INFINITY) {
    return rest.split(SPACES).filter(word => word !== '');
  }
  if (by !== undefined && limit === Number.POSITIVE_INFINITY) {
    return text.split(by);
  }
  if (by === undefined) {
    while (rest !== '' && parts.length < limit) {
      const end = rest.search(SPACES);
      if (end === -1) break;
      budget.spendCharacters(end);
      parts.push(rest.slice(0, end));
      rest = stripStart(rest.slice(end));
    }
    return rest === '' ? parts : [...parts, rest];
  }
  for (let at = rest.indexOf(by); at !== -1 && parts.length < limit; at = rest.indexOf(by)) {
    budget.spend(1);
    parts.push(rest.slice(0, at));
    rest = rest.slice(at + by.length);
  }
  return [...parts, rest];
}

function splitFromEnd(text: string, separator: unknown, most: unknown, budget: Budget): string[] {
  const limit = mostIn(most);
  if (limit === Number.POSITIVE_INFINITY) return split(text, separator, ABSENT, budget);
  const by = separatorIn(separator);
  if (by === undefined) throw unsupported('rsplit at whitespace');
  budget.spendSearch(text.length, by.length);
  const parts: string[] = [];
  let rest = text;
  while (parts.length < limit) {
    const at = rest.length < by.length ? -1 : rest.lastIndexOf(by);
    if (at === -1) break;
    budget.spend(1);
    parts.push(rest.slice(at + by.length));
    rest = rest.slice(0, at);
  }
  return [rest, ...parts.reverse()];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python ends lines at separators, too
const LINE = /\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/;

function splitLines(text: string, keep: unknown, budget: Budget): string[] {
  if (keep !== ABSENT) throw unsupported('splitlines with its ends');
  return linesOf(text, budget);
}

/** `str.splitlines()`. */
export function linesOf(text: string, budget: Budget): string[] {
  budget.spend(text.length);
  if (text === '') return [];
  const lines = text.split(LINE);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

function partition(text: string, separator: unknown, which: 'first' | 'last', budget: Budget): Tuple {
  const by = stringIn(separator);
  if (by === '') throw failed('an empty separator');
  budget.spendSearch(text.length, by.length);
  const at = which === 'first' ? text.indexOf(by) : text.lastIndexOf(by);
  if (at === -1) return new Tuple(which === 'first' ? [text, '', ''] : ['', '', text]);
  return new Tuple([text.slice(0, at), by, text.slice(at + by.length)]);
}

function some(affixes: unknown, fits: (affix: string) => boolean, budget: Budget): boolean {
  const all = affixes instanceof Tuple ? affixes.items : [affixes];
  return all.map(stringIn).some(affix => {
    budget.spendCharacters(affix.length);
    return fits(affix);
  });
}

function withoutStart(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function withoutEnd(text: string, suffix: string): string {
  return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}

export function upper(text: string, _: unknown, budget: Budget): string {
  budget.allowString(text.length);
  return text.toUpperCase();
}

export function lower(text: string, _: unknown, budget: Budget): string {
  budget.allowString(text.length);
  return text.toLowerCase();
}

export function capitalized(text: string, budget: Budget): string {
  budget.allowString(text.length);
  const first = text.charAt(0);
  if (!isAscii(first)) throw unsupported('capitalize beyond ASCII');
  return first.toUpperCase() + text.slice(1).toLowerCase();
}

function titled(text: string, budget: Budget): string {
  budget.allowString(text.length);
  if (!isAscii(text)) throw unsupported('title beyond ASCII');
  return text.replace(/[A-Za-z]+/g, word => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase());
}

/** `str.replace`. The result may be far longer than the text. */
export function replaced(text: string, old: string, by: string, count: number, budget: Budget): string {
  budget.spendSearch(text.length, old.length);
  if (count === 0) return text;
  if (old === '') {
    if (!isFlat(text)) throw unsupported('replacing nothing beyond the basic plane');
    budget.spend(text.length);
  }
  let found = 0;
  const most = count < 0 ? Number.POSITIVE_INFINITY : count;
  const last = text.length;
  for (let at = text.indexOf(old); at !== -1 && found < most; at = text.indexOf(old, at)) {
    found++;
    at += Math.max(1, old.length);
    if (at > last) break;
  }
  if (found === 0) return text;
  budget.spend(found);
  budget.allowString(text.length + found * (by.length - old.length));
  if (most >= found && count < 0) return text.replaceAll(old, () => by);
  let left = most;
  return text.replaceAll(old, match => (left-- > 0 ? by : match));
}

/** `separator.join(parts)`. */
export function joined(separator: string, parts: readonly string[], budget: Budget): string {
  let length = Math.max(0, parts.length - 1) * separator.length;
  for (const part of parts) length += part.length;
  budget.spend(parts.length);
  budget.allowString(length);
  return parts.join(separator);
}

function searched(text: string, part: unknown, budget: Budget): string {
  const searchedFor = stringIn(part);
  budget.spendSearch(text.length, searchedFor.length);
  return searchedFor;
}

function position(text: string, at: number): number {
  if (at > 0 && !isFlat(text)) return [...text.slice(0, at)].length;
  return at;
}

function found(at: number): number {
  if (at === -1) throw failed('a part of a string that is not there');
  return at;
}

function count(text: string, part: string): number {
  if (part === '') throw unsupported('counting nothing');
  let total = 0;
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) total++;
  return total;
}

function isAll(text: string, pattern: RegExp): boolean {
  if (!isAscii(text)) throw unsupported('kinds of characters beyond ASCII');
  return pattern.test(text);
}

export function isUpper(text: string): boolean {
  return isAll(text, /[A-Z]/) && !/[a-z]/.test(text);
}

export function isLower(text: string): boolean {
  return isAll(text, /[a-z]/) && !/[A-Z]/.test(text);
}
