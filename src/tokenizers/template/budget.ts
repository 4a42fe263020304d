import { tooMuch } from './template-error.ts';

/** What one rendering may take. */
export interface TemplateLimits {
  /** Nodes of the template that are evaluated, elements that filters look at, and characters that are copied, 32 to a step. */
  readonly steps: number;
  /** UTF-16 units of the text, and of every string on the way to it. */
  readonly characters: number;
  /** How deep values, and calls of macros, may be nested. */
  readonly depth: number;
}

export const DEFAULT_LIMITS: TemplateLimits = { steps: 1_000_000, characters: 16 * 1024 * 1024, depth: 100 };

const CHARACTERS_PER_STEP_BITS = 5;
const CHARACTERS_PER_STEP_OF_SEARCH = 64;

/** Counts down what one rendering may still take. Every method throws a TemplateError of the kind `too_much`. */
export class Budget {
  readonly #limits: TemplateLimits;
  #steps: number;
  #depth = 0;

  constructor(limits: TemplateLimits) {
    this.#limits = limits;
    this.#steps = limits.steps;
  }

  get stepsLeft(): number {
    return this.#steps;
  }

  spend(steps: number): void {
    this.#steps -= steps;
    if (this.#steps < 0) throw tooMuch('steps');
  }

  /** A string of this length is looked through or made. */
  spendCharacters(length: number): void {
    this.spend(1 + (length >>> CHARACTERS_PER_STEP_BITS));
  }

  /** One string is looked for in another: the engine may compare every character of one with every one of the other. */
  spendSearch(length: number, searched: number): void {
    this.spendCharacters(length);
    if (searched <= length) this.spend((length * searched) / CHARACTERS_PER_STEP_OF_SEARCH);
  }

  /** Before a string of this length comes into being. */
  allowString(length: number): void {
    if (!(length <= this.#limits.characters)) throw tooMuch('characters');
    this.spendCharacters(length);
  }

  /** The same without steps: for text that grows piece by piece, whose pieces were paid for. */
  allowText(length: number): void {
    if (length > this.#limits.characters) throw tooMuch('characters');
  }

  enter(): void {
    if (++this.#depth > this.#limits.depth) throw tooMuch('nesting');
  }

  leave(): void {
    this.#depth--;
  }
}
