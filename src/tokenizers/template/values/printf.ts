import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { str } from './text.ts';
import { isDict, isInt, Tuple } from './values.ts';

const CONVERSION = /%(.?)/gsu;

/** `'%s of %d' % (a, b)`, with conversions alone: no widths, flags or names. */
export function printf(format: string, values: unknown, budget: Budget): string {
  budget.spendCharacters(format.length);
  if (isDict(values)) throw unsupported('named values in %');
  const given = values instanceof Tuple ? values.items : [values];
  let used = 0;
  let size = 0;
  const text = format.replace(CONVERSION, (_, kind: string) => {
    if (kind === '%') return '%';
    if (kind !== 's' && kind !== 'd' && kind !== 'i') throw unsupported('such a conversion in %');
    if (used === given.length) throw failed('not enough values for %');
    const value = given[used++];
    if (kind !== 's' && !isInt(value)) throw unsupported('%d of what is no integer');
    const piece = str(value, budget);
    size += piece.length;
    budget.allowString(size);
    return piece;
  });
  if (used < given.length) {
    if (Array.isArray(values)) throw unsupported('a list for %');
    throw failed('too many values for %');
  }
  return text;
}

const FIELD = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;
const NUMBER = /^\d{1,3}$/;
const NAME = /^[A-Za-z_]\w*$/;

/** `'{} of {name}'.format(a, name=b)`, with plain fields alone. */
export function format(
  pattern: string,
  args: readonly unknown[],
  named: ReadonlyMap<string, unknown>,
  budget: Budget,
): string {
  budget.spendCharacters(pattern.length);
  let next = 0;
  let isNumbered: boolean | undefined;
  let size = 0;
  const numbered = (yes: boolean) => {
    if (isNumbered !== undefined && isNumbered !== yes) throw failed('numbered and plain fields are mixed');
    isNumbered = yes;
  };
  const valueOfField = (field: string): unknown => {
    if (field === '' || NUMBER.test(field)) {
      numbered(field !== '');
      const at = field === '' ? next++ : Number(field);
      if (at >= args.length) throw failed('not enough values for format');
      return args[at];
    }
    if (!NAME.test(field)) throw unsupported('such a field of format');
    if (!named.has(field)) throw failed('format has no such value');
    return named.get(field);
  };
  return pattern.replace(FIELD, (match, field: string | undefined) => {
    if (match === '{{') return '{';
    if (match === '}}') return '}';
    if (field === undefined) throw unsupported('a single brace in format');
    const piece = str(valueOfField(field), budget);
    size += piece.length;
    budget.allowString(size);
    return piece;
  });
}
