import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { orderOfStrings } from '../values/compare.ts';
import { dumps, USUAL_STYLE } from '../values/json.ts';
import { str } from '../values/text.ts';
import {
  asFloat,
  Float,
  Generator,
  indexOf,
  isDict,
  isInt,
  isTrue,
  iterate,
  lengthOf,
  Markup,
  numberOf,
  Special,
  type Tuple,
} from '../values/values.ts';
import { getAttribute } from './access.ts';
import { alongPath, attributePath } from './attribute-path.ts';
import { LIST_FILTERS } from './list-filters.ts';
import { itemsOf } from './methods.ts';
import { rounded, toFloat, toInt } from './number-filters.ts';
import { ABSENT, type Builtin, builtin, given } from './parameters.ts';
import { capitalized, isAscii, joined, linesOf, lower, replaced, strip, upper } from './strings.ts';

type Filter = Builtin<unknown>;

/** A filter of one string, which everything else is made into first. */
function ofText(
  signature: string,
  call: (text: string, args: readonly unknown[], budget: Budget) => unknown,
): Filter {
  return builtin(signature, (value, args, budget) => call(textOf(value, budget), args, budget));
}

/** `str()`, and refused for what is escaped already: it would stay so. */
function textOf(value: unknown, budget: Budget): string {
  if (value instanceof Markup) throw unsupported('filters of escaped text');
  return str(value, budget);
}

const DEFAULT: Filter = builtin('default_value? boolean?', (value, [otherwise, boolean]) =>
  value === undefined || (isTrue(given(boolean, false)) && !isTrue(value)) ? given(otherwise, '') : value,
);
const LENGTH: Filter = builtin('', (value, _, budget) => lengthOf(value, budget));
const ESCAPE: Filter = builtin('', (value, _, budget) =>
  value instanceof Markup ? value : new Markup(escaped(str(value, budget), budget)),
);

/** The filters of jinja2 and transformers by name. */
export const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...LIST_FILTERS,
  ['default', DEFAULT],
  ['d', DEFAULT],
  ['length', LENGTH],
  ['count', LENGTH],
  ['e', ESCAPE],
  ['escape', ESCAPE],
  ['safe', builtin('', (value, _, budget) => new Markup(str(value, budget)))],
  ['string', builtin('', (value, _, budget) => (value instanceof Markup ? value : str(value, budget)))],
  ['trim', ofText('chars?', (text, [chars], budget) => strip(text, chars, 'both', budget))],
  ['upper', ofText('', upper)],
  ['lower', ofText('', lower)],
  ['capitalize', ofText('', (text, _, budget) => capitalized(text, budget))],
  ['title', ofText('', (text, _, budget) => title(text, budget))],
  [
    'replace',
    ofText('old new count?', (text, [old, by, count], budget) =>
      replaced(text, str(old, budget), str(by, budget), countIn(count), budget),
    ),
  ],
  ['indent', builtin('width? first? blank?', indented)],
  ['join', builtin('d? attribute?', join)],
  ['tojson', builtin('ensure_ascii? indent? separators? sort_keys?', toJson)],
  ['items', builtin('', (value, _, budget) => new Generator(pairsOf(value, budget)))],
  ['dictsort', builtin('case_sensitive? by? reverse?', dictSorted)],
  ['int', builtin('default? base?', toInt)],
  ['float', builtin('default?', toFloat)],
  ['abs', builtin('', absolute)],
  ['round', builtin('precision? method?', rounded)],
  ['attr', builtin('name', (value, [name], budget) => attribute(value, name, budget))],
]);

function countIn(count: unknown): number {
  return count === ABSENT || count === null ? -1 : indexOf(count);
}

const WORD_BEGINNING = /([-\s({[<]+)/;

function title(text: string, budget: Budget): string {
  budget.allowString(text.length);
  if (!isAscii(text)) throw unsupported('title beyond ASCII');
  const parts = text.split(WORD_BEGINNING);
  budget.spend(parts.length);
  return parts.map(part => part.charAt(0).toUpperCase() + part.slice(1).toLowerCase()).join('');
}

function escaped(text: string, budget: Budget): string {
  let size = 0;
  const piece = (entity: string) => {
    size += entity.length;
    budget.allowString(size);
    return entity;
  };
  budget.spend(text.length / 2);
  return text.replace(/[&<>'"]/g, character => piece(ENTITIES[character]!));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
};

function indented(value: unknown, [width, first, blank]: readonly unknown[], budget: Budget): string {
  if (typeof value !== 'string') {
    throw value instanceof Markup
      ? unsupported('filters of escaped text')
      : failed('what is no text is indented');
  }
  const indention = indentionOf(width, budget);
  const lines = linesOf(`${value}\n`, budget);
  budget.allowString(value.length + lines.length * (indention.length + 1));
  const indentsBlank = isTrue(given(blank, false));
  const rest = lines.slice(1).map(line => (line === '' && !indentsBlank ? line : indention + line));
  return (isTrue(given(first, false)) ? indention : '') + [lines[0]!, ...rest].join('\n');
}

function indentionOf(width: unknown, budget: Budget): string {
  if (typeof width === 'string') return width;
  const spaces = Math.max(0, width === ABSENT ? 4 : indexOf(width));
  budget.allowString(spaces);
  return ' '.repeat(spaces);
}

function join(value: unknown, [separator, attributes]: readonly unknown[], budget: Budget): string {
  let items = iterate(value, budget);
  if (attributes !== ABSENT && attributes !== null) {
    const path = attributePath(attributes);
    items = items.map(item => alongPath(item, path, budget));
  }
  if (items.some(item => item instanceof Markup)) throw unsupported('joining escaped text');
  return joined(
    separator === ABSENT ? '' : str(separator, budget),
    items.map(item => str(item, budget)),
    budget,
  );
}

function toJson(
  value: unknown,
  [ascii, indent, separators, sorted]: readonly unknown[],
  budget: Budget,
): string {
  if ([ascii, indent, separators, sorted].every(option => option === ABSENT))
    return dumps(value, USUAL_STYLE, budget);
  if (isTrue(given(ascii, false))) throw unsupported('JSON in ASCII');
  const indention =
    indent === ABSENT || indent === null
      ? undefined
      : typeof indent === 'string'
        ? indent
        : spaces(indent, budget);
  const [itemSeparator, keySeparator] = separatorsIn(separators, budget) ?? [
    indention === undefined ? ', ' : ',',
    ': ',
  ];
  return dumps(
    value,
    {
      indent: indention,
      itemSeparator,
      keySeparator,
      keys: isTrue(given(sorted, false)) ? 'sorted' : 'as-given',
    },
    budget,
  );
}

function spaces(width: unknown, budget: Budget): string {
  const count = Math.max(0, indexOf(width));
  budget.allowString(count);
  return ' '.repeat(count);
}

function separatorsIn(value: unknown, budget: Budget): readonly [string, string] | undefined {
  if (value === ABSENT || value === null) return undefined;
  const items = iterate(value, budget);
  const [item, key] = items;
  if (items.length !== 2 || typeof item !== 'string' || typeof key !== 'string')
    throw failed('separators are two strings');
  return [item, key];
}

function pairsOf(value: unknown, budget: Budget): Tuple[] {
  if (value === undefined) return [];
  if (!isDict(value)) throw failed('items of what is no dict');
  return itemsOf(value, budget);
}

function dictSorted(
  value: unknown,
  [caseSensitive, by, reverse]: readonly unknown[],
  budget: Budget,
): Tuple[] {
  if (!isDict(value)) throw failed('dictsort of what is no dict');
  if (given(by, 'key') !== 'key') throw unsupported('dictsort by values');
  const keepsCase = isTrue(given(caseSensitive, false));
  const pairs = itemsOf(value, budget);
  budget.spend(pairs.length * Math.ceil(Math.log2(pairs.length + 1)));
  const keyOf = ({ items: [key] }: Tuple) => (keepsCase ? (key as string) : (key as string).toLowerCase());
  const sign = isTrue(given(reverse, false)) ? -1 : 1;
  return pairs.sort((a, b) => sign * orderOfStrings(keyOf(a), keyOf(b)));
}

function absolute(value: unknown): unknown {
  const number = numberOf(value);
  if (number === undefined)
    throw value instanceof Special ? unsupported('such a value') : failed('abs of what is no number');
  return value instanceof Float
    ? new Float(Math.abs(number))
    : isInt(value)
      ? Math.abs(number)
      : typeof value === 'boolean'
        ? number
        : asFloat(Math.abs(number));
}

function attribute(value: unknown, name: unknown, budget: Budget): unknown {
  if (typeof name !== 'string') throw unsupported('such an attribute');
  if (isDict(value)) throw unsupported('attributes of dicts');
  return getAttribute(value, name, budget);
}
