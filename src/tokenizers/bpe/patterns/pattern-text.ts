/** A regular expression's text and how far it is read. What cannot be translated is refused with its position. */
import { UnsupportedTokenizer } from '../refusals.ts';

const MAX_DEPTH = 50;
/** No more than this is looked at for one match. */
const MATCH_CHARACTERS = 40;

export class PatternText {
  readonly #pattern: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#pattern.length;
  }

  /** Of a group or a class, which `leave` ends: refuses what is nested too deeply. */
  enter(): void {
    if (++this.#depth > MAX_DEPTH) this.refuse();
  }

  leave(): void {
    this.#depth--;
  }

  next(): string {
    const codePoint = this.#pattern.codePointAt(this.#at);
    if (codePoint === undefined) return this.refuse();
    const char = String.fromCodePoint(codePoint);
    this.#at += char.length;
    return char;
  }

  sees(text: string): boolean {
    return this.#pattern.startsWith(text, this.#at);
  }

  take(text: string): boolean {
    const isThere = this.sees(text);
    if (isThere) this.#at += text.length;
    return isThere;
  }

  /** @param start begins with `^` */
  takeMatch(start: RegExp): RegExpExecArray | undefined {
    const match = start.exec(this.#pattern.slice(this.#at, this.#at + MATCH_CHARACTERS));
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match;
  }

  refuse(): never {
    throw new UnsupportedTokenizer(
      `the regular expression ${shownPattern(this.#pattern)} has at position ${this.#at} what cannot be translated with certainty`,
    );
  }
}

export function shownPattern(pattern: string): string {
  return JSON.stringify(pattern.length > 200 ? `${pattern.slice(0, 200)}…` : pattern);
}
