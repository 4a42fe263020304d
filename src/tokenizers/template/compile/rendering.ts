import { ChunkedText } from '../../chunked-text.ts';
import type { Budget } from '../budget.ts';

/** Copying shorter strings into one is cheap. */
const CHUNK_CHARACTERS = 8 * 1024;

/** One rendering: what was printed, and what every part of the template shares. */
export class Rendering {
  readonly budget: Budget;
  readonly now: () => Date;
  /** Variables by name: those given, those that the template sets at its top, and functions. */
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #globals: ReadonlyMap<string, unknown>;
  readonly #set = new Map<string, unknown>();
  /** The end of what was printed so far; a macro or block that is printed apart puts its own in its place for a while. */
  #output = '';
  /** What stands before it. */
  readonly #chunks: string[] = [];
  #chunkedCharacters = 0;
  /** How many macros and blocks are being printed apart, one within the other. */
  #apart = 0;

  constructor(
    budget: Budget,
    given: Readonly<Record<string, unknown>>,
    globals: ReadonlyMap<string, unknown>,
    now: () => Date,
  ) {
    this.budget = budget;
    this.now = now;
    this.#given = given;
    this.#globals = globals;
  }

  resolve(name: string): unknown {
    if (this.#set.has(name)) return this.#set.get(name);
    return Object.hasOwn(this.#given, name) ? this.#given[name] : this.#globals.get(name);
  }

  set(name: string, value: unknown): void {
    this.#set.set(name, value);
  }

  print(text: string): void {
    this.#output += text;
    this.budget.allowText(this.#output.length + (this.#apart > 0 ? 0 : this.#chunkedCharacters));
    this.budget.spendCharacters(text.length);
    if (this.#output.length < CHUNK_CHARACTERS || this.#apart > 0) return;
    this.#chunks.push(this.#output);
    this.#chunkedCharacters += this.#output.length;
    this.#output = '';
  }

  /** What `run` prints, as a string of its own. */
  printed(run: () => void): string {
    const before = this.#output;
    this.#output = '';
    this.#apart++;
    run();
    this.#apart--;
    const text = this.#output;
    this.#output = before;
    this.budget.spendCharacters(text.length);
    return text;
  }

  /** All that was printed. */
  get text(): ChunkedText {
    return new ChunkedText([...this.#chunks, this.#output]);
  }
}

/** The variables of the template, or of one call of a macro. */
export interface Frame {
  readonly slots: unknown[];
  /** That in which the macro was defined. */
  readonly parent: Frame | undefined;
  readonly rendering: Rendering;
}

export function newFrame(slots: number, parent: Frame | undefined, rendering: Rendering): Frame {
  return { slots: new Array<unknown>(slots).fill(undefined), parent, rendering };
}

export type Evaluate = (frame: Frame) => unknown;

/** How a statement ended. */
export const NEXT = 0;
export const BREAK = 1;
export const CONTINUE = 2;
export type Ending = typeof NEXT | typeof BREAK | typeof CONTINUE;

export type Execute = (frame: Frame) => Ending;
