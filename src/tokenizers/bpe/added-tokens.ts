/** Finds added tokens in a text: from the left, the longest of those that begin there, as Hugging Face's AddedVocabulary does. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly singleWord: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Is looked for in the normalized text, as its own normalized content. */
  readonly normalized: boolean;
  readonly special: boolean;
}

interface Node<T> {
  readonly children: Map<number, Node<T>>;
  value: T | undefined;
  length: number;
}

/** Texts, each with a value, and where the next of them is. */
export class TextMatcher<T> {
  readonly #root: Node<T> = node();
  readonly #firsts: readonly string[];
  readonly #isFirst = new Uint8Array(1 << 16);
  /** What the last `find` found. */
  start = -1;
  end = -1;

  /** Of equal texts the last one counts. No text may be empty. */
  constructor(entries: Iterable<readonly [string, T]>) {
    for (const [text, value] of entries) this.#add(text, value);
    this.#firsts = [...this.#root.children.keys()].map(code => String.fromCharCode(code));
    for (const code of this.#root.children.keys()) this.#isFirst[code] = 1;
  }

  get isEmpty(): boolean {
    return this.#firsts.length === 0;
  }

  /** The value of the first text at or behind `from`, and its place in `start` and `end`; undefined: there is none. */
  find(text: string, from: number): T | undefined {
    let at = this.#nextFirst(text, from);
    while (at >= 0) {
      const value = this.#longestAt(text, at);
      if (value !== undefined) return value;
      at = this.#nextFirst(text, at + 1);
    }
    this.start = -1;
    this.end = -1;
    return undefined;
  }

  /** The values of all texts that `text` has from `from` on, and where each ends. */
  *allAt(text: string, from: number): Iterable<{ readonly value: T; readonly end: number }> {
    let here: Node<T> | undefined = this.#root;
    for (let at = from; at < text.length; at++) {
      here = here.children.get(text.charCodeAt(at));
      if (!here) return;
      if (here.value !== undefined) yield { value: here.value, end: at + 1 };
    }
  }

  /** Whether one of the texts goes on behind what `text` has from `from` on. */
  goesOn(text: string, from: number): boolean {
    let here: Node<T> | undefined = this.#root;
    for (let at = from; at < text.length && here; at++) here = here.children.get(text.charCodeAt(at));
    return here !== undefined && here.children.size > 0;
  }

  #nextFirst(text: string, from: number): number {
    if (this.#firsts.length === 1) return text.indexOf(this.#firsts[0]!, from);
    for (let at = from; at < text.length; at++) if (this.#isFirst[text.charCodeAt(at)] === 1) return at;
    return -1;
  }

  #longestAt(text: string, start: number): T | undefined {
    let found: Node<T> | undefined;
    let here: Node<T> | undefined = this.#root;
    for (let at = start; at < text.length; at++) {
      here = here.children.get(text.charCodeAt(at));
      if (!here) break;
      if (here.value !== undefined) found = here;
    }
    if (!found) return undefined;
    this.start = start;
    this.end = start + found.length;
    return found.value;
  }

  #add(text: string, value: T): void {
    let here = this.#root;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      let next = here.children.get(code);
      if (!next) {
        next = node();
        here.children.set(code, next);
      }
      here = next;
    }
    here.value = value;
    here.length = text.length;
  }
}

function node<T>(): Node<T> {
  return { children: new Map(), value: undefined, length: 0 };
}
