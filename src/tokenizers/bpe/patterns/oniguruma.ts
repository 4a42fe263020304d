/**
 * Oniguruma's regular expressions as JavaScript's: the part of its syntax (`ONIG_SYNTAX_ONIGURUMA`, UTF-8) that pre-tokenizers
 * have. Classes become explicit sets of code points, because V8's tables are of another version of Unicode. What is not known for
 * certain is refused.
 */
import { UnsupportedTokenizer } from '../refusals.ts';
import { type CodePoints, classSource, complement, includes, union } from '../unicode/code-points.ts';
import { isSingle, readClass, readEscape, readLiteral } from './code-point-sets.ts';
import { PatternText, shownPattern } from './pattern-text.ts';

/** Longer ones than any known pattern's ten-fold cost too much to compile. */
const MAX_PATTERN = 20_000;
/** What else than the letter in the other case is equal to a letter without regard to case. */
const CASELESS: Readonly<Record<string, number>> = { s: 0x17f, k: 0x212a };
/** Pairs of letters that one character is equal to without regard to case: ﬀ, ﬁ, ﬂ, ß, ﬆ. */
const FOLDED_PAIR = /ff|fi|fl|ss|st/;

/** Source of a JavaScript regular expression for the flag `u`. Throws UnsupportedTokenizer. */
export function translatePattern(pattern: string): string {
  if (pattern.length > MAX_PATTERN) throw new UnsupportedTokenizer('a regular expression is too long');
  const parsed = new PatternParser(pattern).parse();
  if (parsed.mayBeEmpty)
    throw new UnsupportedTokenizer(`a regular expression may match nothing: ${shownPattern(pattern)}`);
  return parsed.source;
}

interface Parsed {
  readonly source: string;
  readonly mayBeEmpty: boolean;
}

class PatternParser {
  readonly #text: PatternText;
  /** Groups that keep what a possessive quantifier took. */
  #groups = 0;
  /** The letters that stand next to each other without regard to case. */
  #letters = '';

  constructor(pattern: string) {
    this.#text = new PatternText(pattern);
  }

  parse(): Parsed {
    const parsed = this.#alternatives(false);
    if (!this.#text.isAtEnd) this.#text.refuse();
    return parsed;
  }

  #alternatives(isCaseless: boolean): Parsed {
    this.#text.enter();
    const alternatives: Parsed[] = [];
    do {
      this.#letters = '';
      alternatives.push(this.#sequence(isCaseless));
    } while (this.#text.take('|'));
    this.#letters = '';
    this.#text.leave();
    return {
      source: alternatives.map(({ source }) => source).join('|'),
      mayBeEmpty: alternatives.some(({ mayBeEmpty }) => mayBeEmpty),
    };
  }

  #sequence(isCaseless: boolean): Parsed {
    const source: string[] = [];
    let mayBeEmpty = true;
    while (!this.#text.isAtEnd && !this.#text.sees('|') && !this.#text.sees(')')) {
      const term = this.#quantified(this.#atom(isCaseless));
      source.push(term.source);
      mayBeEmpty &&= term.mayBeEmpty;
    }
    return { source: source.join(''), mayBeEmpty };
  }

  #atom(isCaseless: boolean): Parsed {
    if (this.#text.sees('(')) return this.#group(isCaseless);
    if (this.#text.sees('[')) {
      const set = readClass(this.#text);
      return oneOf(isCaseless ? this.#caselessClass(set) : set);
    }
    if (this.#text.take('.')) return oneOf(complement([0xa, 0xa]));
    if (this.#text.sees('\\')) {
      const set = readEscape(this.#text);
      if (isCaseless && !isAsciiLiteral(set)) this.#text.refuse();
      return oneOf(isCaseless ? this.#caseless(set) : set);
    }
    const literal = readLiteral(this.#text, '^$*+?{}');
    return oneOf(isCaseless ? this.#caseless(literal) : literal);
  }

  #caseless(set: CodePoints): CodePoints {
    if (!isAsciiLiteral(set)) this.#text.refuse();
    const letter = String.fromCodePoint(set[0]!).toLowerCase();
    if (!/[a-z]/.test(letter)) {
      this.#letters = '';
      return set;
    }
    this.#letters += letter;
    if (FOLDED_PAIR.test(this.#letters)) this.#text.refuse();
    const others = [letter.codePointAt(0)!, letter.toUpperCase().codePointAt(0)!, CASELESS[letter] ?? -1];
    return union(...others.filter(other => other >= 0).map(other => [other, other]));
  }

  #caselessClass(set: CodePoints): CodePoints {
    if (set.at(-1)! >= 0x80) this.#text.refuse();
    const chars = Array.from({ length: 0x80 }, (_, code) => code).filter(code => includes(set, code));
    const sets = chars.map(code => {
      this.#letters = '';
      return this.#caseless([code, code]);
    });
    this.#letters = '';
    return union(...sets);
  }

  #group(isCaseless: boolean): Parsed {
    if (this.#text.take('(?i:')) return this.#inside('(?:', true);
    if (this.#text.take('(?:')) return this.#inside('(?:', isCaseless);
    if (this.#text.take('(?=')) return { ...this.#inside('(?=', isCaseless), mayBeEmpty: true };
    if (this.#text.take('(?!')) return { ...this.#inside('(?!', isCaseless), mayBeEmpty: true };
    if (this.#text.take('(?>')) return this.#atomic(this.#inside('(?:', isCaseless));
    if (this.#text.sees('(?') || this.#text.sees('(*')) this.#text.refuse();
    this.#text.take('(');
    return this.#inside('(?:', isCaseless);
  }

  #inside(opening: string, isCaseless: boolean): Parsed {
    const { source, mayBeEmpty } = this.#alternatives(isCaseless);
    if (!this.#text.take(')')) this.#text.refuse();
    return { source: `${opening}${source})`, mayBeEmpty };
  }

  /** A lookahead is never entered again, so what its group has is all that it will ever have. */
  #atomic({ source, mayBeEmpty }: Parsed): Parsed {
    // Numbered from the left, and an inner group would have a lower number than its outer one here.
    if (source.includes('(?=(')) this.#text.refuse();
    this.#groups++;
    return { source: `(?:(?=(${source}))\\${this.#groups})`, mayBeEmpty };
  }

  #quantified(atom: Parsed): Parsed {
    const [quantifier, least] = this.#quantifier();
    if (quantifier === '') return atom;
    this.#letters = '';
    if (/^\(\?[=!]/.test(atom.source)) this.#text.refuse();
    const quantified = { source: atom.source + quantifier, mayBeEmpty: atom.mayBeEmpty || least === 0 };
    // What may be empty is repeated otherwise in JavaScript.
    if (atom.mayBeEmpty && quantifier !== '?') this.#text.refuse();
    const isInterval = quantifier.startsWith('{');
    if (
      this.#text.sees('*') ||
      this.#text.sees('{') ||
      (isInterval && (this.#text.sees('?') || this.#text.sees('+')))
    )
      this.#text.refuse();
    const result = this.#text.take('?')
      ? { ...quantified, source: `${quantified.source}?` }
      : this.#text.take('+')
        ? this.#atomic(quantified)
        : quantified;
    if (this.#text.sees('*') || this.#text.sees('+') || this.#text.sees('?') || this.#text.sees('{'))
      this.#text.refuse();
    return result;
  }

  #quantifier(): readonly [string, number] {
    if (this.#text.take('*')) return ['*', 0];
    if (this.#text.take('+')) return ['+', 1];
    if (this.#text.take('?')) return ['?', 0];
    const interval = this.#text.takeMatch(/^\{(\d{1,3})(?:,(\d{0,3}))?\}/);
    if (!interval) return ['', 1];
    const [text, least, most] = interval;
    if (most && Number(most) < Number(least)) this.#text.refuse();
    return [text, Number(least)];
  }
}

function oneOf(set: CodePoints): Parsed {
  return { source: classSource(set), mayBeEmpty: false };
}

function isAsciiLiteral(set: CodePoints): boolean {
  return isSingle(set) && set[0]! < 0x80;
}
