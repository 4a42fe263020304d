/** Where a text may be cut: behind added tokens, where the cut stays one whatever follows. */
import { type AddedToken, TextMatcher } from './added-tokens.ts';
import { behindSpaces } from './unicode/words.ts';

/** An added token. */
export interface Boundary {
  readonly content: string;
  /** Blanks behind it belong to it. */
  readonly rstrip: boolean;
  /** Is looked for between those that are not. */
  readonly second: boolean;
  /**
   * Whether the text may be cut behind it. What is kept of a text is found again in others that go on in another way, so that it may
   * not where another token could be found in its place, or blanks would belong to it.
   */
  readonly isCut: boolean;
}

/** Of tokens in texts that nothing changes before they are looked for. */
export function boundariesOf(tokens: readonly AddedToken[]): Boundary[] {
  const first = matcherOf(tokens.filter(({ normalized }) => !normalized));
  const all = matcherOf(tokens);
  const uncut = new Set(tokens.filter(({ rstrip }) => rstrip));
  for (const longer of tokens) {
    const { content } = longer;
    for (let from = 0; from < content.length; from++) {
      // A shorter one within it, which it is found instead of where it goes on.
      for (const { value, end } of all.allAt(content, from)) {
        if (end < content.length && (value.normalized || !longer.normalized)) uncut.add(value);
      }
      // One of the first may begin within it.
      if (longer.normalized && first.goesOn(content, from)) uncut.add(longer);
    }
  }
  return tokens.map(token => {
    const { content, rstrip, normalized } = token;
    return { content, rstrip, second: normalized, isCut: !uncut.has(token) };
  });
}

function matcherOf(tokens: readonly AddedToken[]): TextMatcher<AddedToken> {
  return new TextMatcher(tokens.map(token => [token.content, token] as const));
}

export class TextSplitter {
  readonly #first: TextMatcher<Boundary>;
  /** Of these only those count that are between two of the first. */
  readonly #second: TextMatcher<Boundary>;
  /** Where the next of the first is in the text of the last call, so that it is not looked for once more. */
  #text = '';
  #next: Found | undefined;
  #searchedFrom = 0;

  constructor(boundaries: readonly Boundary[]) {
    const matcher = (second: boolean) =>
      new TextMatcher(boundaries.filter(b => b.second === second).map(b => [b.content, b] as const));
    this.#first = matcher(false);
    this.#second = matcher(true);
  }

  /**
   * The index behind the first added token at or behind `from` behind which the text may be cut; -1: there is none. `from` must be 0
   * or what this gave before.
   */
  endOfBoundary(text: string, from: number): number {
    for (let at = from; ; ) {
      const found = this.#second.isEmpty ? find(this.#first, text, at) : this.#foundOfBoth(text, at);
      if (found === undefined) return -1;
      if (found.boundary.isCut) return found.end;
      at = found.end;
    }
  }

  #foundOfBoth(text: string, from: number): Found | undefined {
    const next = this.#nextOfFirst(text, from);
    const found = find(this.#second, text, from);
    if (found === undefined || next === undefined) return found ?? next;
    const endsBefore = this.#second.end <= next.start;
    return endsBefore ? { ...found, end: Math.min(found.end, next.start) } : next;
  }

  #nextOfFirst(text: string, from: number): Found | undefined {
    const isKnown =
      this.#text === text &&
      this.#searchedFrom <= from &&
      (this.#next === undefined || from <= this.#next.start);
    if (!isKnown) {
      this.#next = find(this.#first, text, from);
      this.#text = text;
      this.#searchedFrom = from;
    }
    return this.#next;
  }
}

interface Found {
  readonly boundary: Boundary;
  readonly start: number;
  readonly end: number;
}

function find(matcher: TextMatcher<Boundary>, text: string, from: number): Found | undefined {
  const boundary = matcher.find(text, from);
  if (boundary === undefined) return undefined;
  const { start, end } = matcher;
  return { boundary, start, end: boundary.rstrip ? behindSpaces(text, end) : end };
}
