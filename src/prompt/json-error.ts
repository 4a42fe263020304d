/** Where a text stops being JSON. JavaScript's own message quotes the text, and tells the place of some mistakes only. */
export interface JsonError {
  /** In characters, from 0. */
  readonly position: number;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly what: 'unexpected character' | 'unexpected end';
}

/** What JavaScript itself tells of the place: nothing of a character that it calls a token. */
export function placeOf(refused: unknown, text: string): JsonError | undefined {
  const { message } = refused as Error;
  // The end is what tells it from a message that quotes the text.
  const found = / in JSON at position (\d+) \(line (\d+) column (\d+)\)$/.exec(message);
  const [position, line, column] = found?.slice(1).map(Number) ?? [];
  if (position === undefined || line === undefined || column === undefined) return undefined;
  return {
    position,
    line,
    column,
    what: position >= text.length ? 'unexpected end' : 'unexpected character',
  };
}

/** Of a text that `JSON.parse` refused; undefined: it is JSON after all. Takes as long as the text is, at any depth. */
export function findJsonError(text: string): JsonError | undefined {
  const position = new Scanner(text).findError();
  if (position === undefined) return undefined;
  const before = text.lastIndexOf('\n', position - 1);
  return {
    position,
    line: linesIn(text, position),
    column: position - (position === 0 ? -1 : before),
    what: position >= text.length ? 'unexpected end' : 'unexpected character',
  };
}

function linesIn(text: string, end: number): number {
  let lines = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS = ['true', 'false', 'null'];

class Scanner {
  readonly #text: string;
  /** Of each open list or object the character that ends it. */
  readonly #open: string[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** One turn of the loop per value. */
  findError(): number | undefined {
    for (;;) {
      this.#space();
      const char = this.#text[this.#at];
      if (char === '{' || char === '[') {
        this.#at++;
        this.#open.push(char === '{' ? '}' : ']');
        this.#space();
        if (this.#text[this.#at] !== this.#open.at(-1)) {
          if (char === '{' && !this.#key()) return this.#at;
          continue;
        }
      } else if (!this.#scalar(char)) return this.#at;
      this.#close();
      if (this.#open.length === 0) return this.#at === this.#text.length ? undefined : this.#at;
      if (this.#text[this.#at] !== ',') return this.#at;
      this.#at++;
      this.#space();
      if (this.#open.at(-1) === '}' && !this.#key()) return this.#at;
    }
  }

  /** Past the ends that follow a value. */
  #close(): void {
    this.#space();
    while (this.#open.length > 0 && this.#text[this.#at] === this.#open.at(-1)) {
      this.#at++;
      this.#open.pop();
      this.#space();
    }
  }

  #key(): boolean {
    if (this.#text[this.#at] !== '"' || !this.#string()) return false;
    this.#space();
    if (this.#text[this.#at] !== ':') return false;
    this.#at++;
    return true;
  }

  #scalar(char: string | undefined): boolean {
    if (char === undefined) return false;
    if (char === '"') return this.#string();
    const word = WORDS.find(word => word[0] === char);
    if (word !== undefined) return this.#word(word);
    NUMBER.lastIndex = this.#at;
    if (!NUMBER.test(this.#text)) return false;
    this.#at = NUMBER.lastIndex;
    return true;
  }

  #word(word: string): boolean {
    for (const char of word) {
      if (this.#text[this.#at] !== char) return false;
      this.#at++;
    }
    return true;
  }

  /** Stops at the character that may not be there. */
  #string(): boolean {
    const text = this.#text;
    for (let at = this.#at + 1; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 0x22) {
        this.#at = at + 1;
        return true;
      }
      if (code === 0x5c) at++;
      if (code < 0x20 || (code === 0x5c && !this.#isEscape(at))) {
        this.#at = Math.min(at, text.length);
        return false;
      }
    }
    this.#at = text.length;
    return false;
  }

  #isEscape(at: number): boolean {
    const char = this.#text[at];
    if (char === undefined) return false;
    return char === 'u'
      ? /^[0-9a-fA-F]{4}$/.test(this.#text.slice(at + 1, at + 5))
      : '"\\/bfnrt'.includes(char);
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    SPACE.test(this.#text);
    this.#at = SPACE.lastIndex;
  }
}
