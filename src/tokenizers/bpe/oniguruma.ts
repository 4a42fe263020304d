/**
 * Oniguruma's regular expressions as JavaScript's: the part of its syntax (`ONIG_SYNTAX_ONIGURUMA`, UTF-8) that pre-tokenizers
 * have. Classes become explicit sets of code points, because V8's tables are of another version of Unicode. What is not known for
 * certain is refused.
 */
import { UnsupportedTokenizer } from './refusals.ts';
import {
  type CodePoints,
  classSource,
  codePointsOfProperty,
  complement,
  includes,
  intersection,
  union,
  WHITE_SPACE,
  wordCodePoints,
} from './unicode/code-points.ts';

/** Longer ones than any known pattern's ten-fold cost too much to compile. */
const MAX_PATTERN = 20_000;
const MAX_DEPTH = 50;

const CONTROLS: Readonly<Record<string, number>> = {
  n: 0xa,
  r: 0xd,
  t: 0x9,
  f: 0xc,
  v: 0xb,
  a: 0x7,
  e: 0x1b,
};
/** What else than the letter in the other case is equal to a letter without regard to case. */
const CASELESS: Readonly<Record<string, number>> = { s: 0x17f, k: 0x212a };
/** Pairs of letters that one character is equal to without regard to case: ﬀ, ﬁ, ﬂ, ß, ﬆ. */
const FOLDED_PAIR = /ff|fi|fl|ss|st/;

/** Source of a JavaScript regular expression for the flag `u`. Throws UnsupportedTokenizer. */
export function translatePattern(pattern: string): string {
  if (pattern.length > MAX_PATTERN) throw new UnsupportedTokenizer('a regular expression is too long');
  const parsed = new PatternParser(pattern).parse();
  if (parsed.mayBeEmpty)
    throw new UnsupportedTokenizer(`a regular expression may match nothing: ${shown(pattern)}`);
  return parsed.source;
}

interface Parsed {
  readonly source: string;
  readonly mayBeEmpty: boolean;
}

class PatternParser {
  readonly #pattern: string;
  #at = 0;
  /** Groups that keep what a possessive quantifier took. */
  #groups = 0;
  #depth = 0;
  /** The letters that stand next to each other without regard to case. */
  #letters = '';

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  parse(): Parsed {
    const parsed = this.#alternatives(false);
    if (this.#at < this.#pattern.length) this.#refuse();
    return parsed;
  }

  #alternatives(isCaseless: boolean): Parsed {
    if (++this.#depth > MAX_DEPTH) this.#refuse();
    const alternatives: Parsed[] = [];
    do {
      this.#letters = '';
      alternatives.push(this.#sequence(isCaseless));
    } while (this.#take('|'));
    this.#letters = '';
    this.#depth--;
    return {
      source: alternatives.map(({ source }) => source).join('|'),
      mayBeEmpty: alternatives.some(({ mayBeEmpty }) => mayBeEmpty),
    };
  }

  #sequence(isCaseless: boolean): Parsed {
    const source: string[] = [];
    let mayBeEmpty = true;
    while (this.#at < this.#pattern.length && !this.#sees('|') && !this.#sees(')')) {
      const term = this.#quantified(this.#atom(isCaseless));
      source.push(term.source);
      mayBeEmpty &&= term.mayBeEmpty;
    }
    return { source: source.join(''), mayBeEmpty };
  }

  #atom(isCaseless: boolean): Parsed {
    if (this.#sees('(')) return this.#group(isCaseless);
    if (this.#sees('[')) {
      const set = this.#class();
      return oneOf(isCaseless ? this.#caselessClass(set) : set);
    }
    if (this.#take('.')) return oneOf(complement([0xa, 0xa]));
    if (this.#sees('\\')) {
      const set = this.#escape();
      if (isCaseless && !isAsciiLiteral(set)) this.#refuse();
      return oneOf(isCaseless ? this.#caseless(set) : set);
    }
    const literal = this.#literal('^$*+?{}');
    return oneOf(isCaseless ? this.#caseless(literal) : literal);
  }

  #caseless(set: CodePoints): CodePoints {
    if (!isAsciiLiteral(set)) this.#refuse();
    const letter = String.fromCodePoint(set[0]!).toLowerCase();
    if (!/[a-z]/.test(letter)) {
      this.#letters = '';
      return set;
    }
    this.#letters += letter;
    if (FOLDED_PAIR.test(this.#letters)) this.#refuse();
    const others = [letter.codePointAt(0)!, letter.toUpperCase().codePointAt(0)!, CASELESS[letter] ?? -1];
    return union(...others.filter(other => other >= 0).map(other => [other, other]));
  }

  #caselessClass(set: CodePoints): CodePoints {
    if (set.at(-1)! >= 0x80) this.#refuse();
    const chars = Array.from({ length: 0x80 }, (_, code) => code).filter(code => includes(set, code));
    const sets = chars.map(code => {
      this.#letters = '';
      return this.#caseless([code, code]);
    });
    this.#letters = '';
    return union(...sets);
  }

  #group(isCaseless: boolean): Parsed {
    if (this.#take('(?i:')) return this.#inside('(?:', true);
    if (this.#take('(?:')) return this.#inside('(?:', isCaseless);
    if (this.#take('(?=')) return { ...this.#inside('(?=', isCaseless), mayBeEmpty: true };
    if (this.#take('(?!')) return { ...this.#inside('(?!', isCaseless), mayBeEmpty: true };
    if (this.#take('(?>')) return this.#atomic(this.#inside('(?:', isCaseless));
    if (this.#sees('(?') || this.#sees('(*')) this.#refuse();
    this.#take('(');
    return this.#inside('(?:', isCaseless);
  }

  #inside(opening: string, isCaseless: boolean): Parsed {
    const { source, mayBeEmpty } = this.#alternatives(isCaseless);
    if (!this.#take(')')) this.#refuse();
    return { source: `${opening}${source})`, mayBeEmpty };
  }

  /** A lookahead is never entered again, so what its group has is all that it will ever have. */
  #atomic({ source, mayBeEmpty }: Parsed): Parsed {
    // Numbered from the left, and an inner group would have a lower number than its outer one here.
    if (source.includes('(?=(')) this.#refuse();
    this.#groups++;
    return { source: `(?:(?=(${source}))\\${this.#groups})`, mayBeEmpty };
  }

  #quantified(atom: Parsed): Parsed {
    const [quantifier, least] = this.#quantifier();
    if (quantifier === '') return atom;
    this.#letters = '';
    if (/^\(\?[=!]/.test(atom.source)) this.#refuse();
    const quantified = { source: atom.source + quantifier, mayBeEmpty: atom.mayBeEmpty || least === 0 };
    // What may be empty is repeated otherwise in JavaScript.
    if (atom.mayBeEmpty && quantifier !== '?') this.#refuse();
    const isInterval = quantifier.startsWith('{');
    if (this.#sees('*') || this.#sees('{') || (isInterval && (this.#sees('?') || this.#sees('+'))))
      this.#refuse();
    const result = this.#take('?')
      ? { ...quantified, source: `${quantified.source}?` }
      : this.#take('+')
        ? this.#atomic(quantified)
        : quantified;
    if (this.#sees('*') || this.#sees('+') || this.#sees('?') || this.#sees('{')) this.#refuse();
    return result;
  }

  #quantifier(): readonly [string, number] {
    if (this.#take('*')) return ['*', 0];
    if (this.#take('+')) return ['+', 1];
    if (this.#take('?')) return ['?', 0];
    const interval = /^\{(\d{1,3})(?:,(\d{0,3}))?\}/.exec(this.#pattern.slice(this.#at, this.#at + 12));
    if (!interval) return ['', 1];
    const [text, least, most] = interval;
    if (most && Number(most) < Number(least)) this.#refuse();
    this.#at += text.length;
    return [text, Number(least)];
  }

  #class(): CodePoints {
    if (++this.#depth > MAX_DEPTH) this.#refuse();
    this.#take('[');
    if (this.#sees(':')) this.#refuse();
    const isNegated = this.#take('^');
    if (this.#sees(']')) this.#refuse();
    const operands: CodePoints[] = [];
    do {
      const parts: CodePoints[] = [];
      while (!this.#sees(']') && !this.#sees('&&')) parts.push(this.#classPart());
      if (parts.length === 0) this.#refuse();
      operands.push(union(...parts));
    } while (this.#take('&&'));
    this.#take(']');
    this.#depth--;
    const set = operands.reduce((left, right) => intersection(left, right));
    return isNegated ? complement(set) : set;
  }

  #classPart(): CodePoints {
    if (this.#sees('[')) return this.#class();
    const from = this.#classItem();
    const isRange = this.#sees('-') && this.#pattern[this.#at + 1] !== ']';
    if (!isRange) return from;
    this.#take('-');
    if (this.#sees('[') || this.#sees('&&')) this.#refuse();
    const to = this.#classItem();
    if (!isSingle(from) || !isSingle(to) || from[0]! > to[0]!) this.#refuse();
    return [from[0]!, to[0]!];
  }

  #classItem(): CodePoints {
    return this.#sees('\\') ? this.#escape() : this.#literal('');
  }

  #escape(): CodePoints {
    this.#take('\\');
    const property = /^([pP])\{(\^?)(\w+)\}/.exec(this.#pattern.slice(this.#at, this.#at + 40));
    if (property) {
      const [text, kind, not, name] = property;
      const set = codePointsOfProperty(name!);
      if (!set) return this.#refuse();
      this.#at += text.length;
      return (kind === 'P') !== (not === '^') ? complement(set) : set;
    }
    const code = /^(?:u([0-9A-Fa-f]{4})|x\{([0-9A-Fa-f]{1,6})\}|x([0-7][0-9A-Fa-f]))/.exec(
      this.#pattern.slice(this.#at, this.#at + 10),
    );
    if (code) {
      this.#at += code[0].length;
      const codePoint = Number.parseInt((code[1] ?? code[2] ?? code[3])!, 16);
      if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) this.#refuse();
      return [codePoint, codePoint];
    }
    return this.#shortEscape(this.#next());
  }

  #shortEscape(char: string): CodePoints {
    const control = CONTROLS[char];
    if (control !== undefined) return [control, control];
    switch (char) {
      case 's':
        return WHITE_SPACE;
      case 'S':
        return complement(WHITE_SPACE);
      case 'd':
        return codePointsOfProperty('Nd')!;
      case 'D':
        return complement(codePointsOfProperty('Nd')!);
      case 'w':
        return wordCodePoints();
      case 'W':
        return complement(wordCodePoints());
    }
    if (/[\dA-Za-z]/.test(char)) this.#refuse();
    return single(char);
  }

  #literal(special: string): CodePoints {
    const char = this.#next();
    if (special.includes(char)) this.#refuse();
    return single(char);
  }

  #next(): string {
    const codePoint = this.#pattern.codePointAt(this.#at);
    if (codePoint === undefined) return this.#refuse();
    const char = String.fromCodePoint(codePoint);
    this.#at += char.length;
    return char;
  }

  #sees(text: string): boolean {
    return this.#pattern.startsWith(text, this.#at);
  }

  #take(text: string): boolean {
    const isThere = this.#sees(text);
    if (isThere) this.#at += text.length;
    return isThere;
  }

  #refuse(): never {
    throw new UnsupportedTokenizer(
      `the regular expression ${shown(this.#pattern)} has at position ${this.#at} what cannot be translated with certainty`,
    );
  }
}

function oneOf(set: CodePoints): Parsed {
  return { source: classSource(set), mayBeEmpty: false };
}

function single(char: string): CodePoints {
  const codePoint = char.codePointAt(0)!;
  return [codePoint, codePoint];
}

function isSingle(set: CodePoints): boolean {
  return set.length === 2 && set[0] === set[1];
}

function isAsciiLiteral(set: CodePoints): boolean {
  return isSingle(set) && set[0]! < 0x80;
}

function shown(pattern: string): string {
  return JSON.stringify(pattern.length > 200 ? `${pattern.slice(0, 200)}…` : pattern);
}
