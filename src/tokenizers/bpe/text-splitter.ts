/** Where a text may be cut: behind added tokens. */
import { TextMatcher } from './added-tokens.ts';
import { behindSpaces } from './unicode/words.ts';

/** An added token behind which a text may be cut. */
export interface Boundary {
  readonly content: string;
  /** Blanks behind it belong to it. */
  readonly rstrip: boolean;
  /** Is looked for between those that are not. */
  readonly second: boolean;
}

export class TextSplitter {
  readonly #first: TextMatcher<Boundary>;
  /** Of these only those count that are between two of the first. */
  readonly #second: TextMatcher<Boundary>;
  /** Where the next of the first is in the text of the last call, so that it is not looked for once more. */
  #text = '';
  #start = -1;
  #end = -1;
  #searchedFrom = 0;

  constructor(boundaries: readonly Boundary[]) {
    const matcher = (second: boolean) =>
      new TextMatcher(boundaries.filter(b => b.second === second).map(b => [b.content, b] as const));
    this.#first = matcher(false);
    this.#second = matcher(true);
  }

  /**
   * The index behind the first added token at or behind `from`, which must be 0 or what this gave before; -1: there is none.
   */
  endOfBoundary(text: string, from: number): number {
    if (this.#second.isEmpty) return this.#endOf(this.#first, text, from);
    this.#lookForFirst(text, from);
    const end = this.#endOf(this.#second, text, from);
    const isBetween = end >= 0 && (this.#start < 0 || this.#second.end <= this.#start);
    return isBetween ? Math.min(end, this.#start < 0 ? end : this.#start) : this.#end;
  }

  #lookForFirst(text: string, from: number): void {
    const isKnown =
      this.#text === text && this.#searchedFrom <= from && (this.#start < 0 || from <= this.#start);
    if (isKnown) return;
    this.#end = this.#endOf(this.#first, text, from);
    this.#start = this.#first.start;
    this.#text = text;
    this.#searchedFrom = from;
  }

  #endOf(matcher: TextMatcher<Boundary>, text: string, from: number): number {
    const boundary = matcher.find(text, from);
    if (!boundary) return -1;
    return boundary.rstrip ? behindSpaces(text, matcher.end) : matcher.end;
  }
}
