/** Normalizers, one behind the other. */

import { translatePattern } from './patterns/oniguruma.ts';
import { InvalidTokenizer } from './refusals.ts';
import type { NormalizerShape } from './shape.ts';
import { normalized } from './unicode/normalization.ts';

export type Normalize = (text: string) => string;

/** undefined: texts stay as they are. */
export function normalizing(shapes: readonly NormalizerShape[]): Normalize | undefined {
  const steps = shapes.map(normalizer);
  if (steps.length === 0) return undefined;
  return text => steps.reduce((result, step) => step(result), text);
}

function normalizer(shape: NormalizerShape): Normalize {
  switch (shape.kind) {
    case 'form':
      return text => normalized(text, shape.form);
    case 'prepend':
      return text => (text === '' ? text : shape.text + text);
    case 'replace':
      return replacer(shape);
  }
}

function replacer({ pattern, content }: Extract<NormalizerShape, { kind: 'replace' }>): Normalize {
  // A function: in a string `$&` would mean something.
  const replacement = () => content;
  if (pattern.kind === 'regex') {
    const regex = new RegExp(translatePattern(pattern.regex), 'gu');
    return text => text.replace(regex, replacement);
  }
  if (pattern.text === '') throw new InvalidTokenizer('a normalizer replaces nothing by something');
  return text => (text.includes(pattern.text) ? text.replaceAll(pattern.text, replacement) : text);
}
