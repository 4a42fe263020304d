import type { Budget } from '../budget.ts';
import { failed, unsupported } from '../template-error.ts';
import { equals } from './compare.ts';
import { Callable, NO_NAMES, Special } from './values.ts';

/** `loop` in a loop, and what the loop goes through: a condition of the loop is asked item by item, as the loop gets there. */
export class LoopContext extends Special {
  readonly #items: readonly unknown[];
  readonly #isWanted: ((item: unknown) => boolean) | undefined;
  readonly #budget: Budget;
  /** What was asked for in advance. */
  readonly #ahead: unknown[] = [];
  #aheadAt = 0;
  #at = 0;
  #length: number | undefined;
  #index0 = -1;
  #before: unknown;
  #current: unknown;
  #lastValues: readonly unknown[] | undefined;

  constructor(items: readonly unknown[], isWanted: ((item: unknown) => boolean) | undefined, budget: Budget) {
    super();
    this.#items = items;
    this.#isWanted = isWanted;
    this.#budget = budget;
  }

  get current(): unknown {
    return this.#current;
  }

  /** false at the end. */
  advance(): boolean {
    const isThere = this.#isWanted === undefined ? this.#at < this.#items.length : this.#peek();
    if (!isThere) return false;
    this.#index0++;
    this.#before = this.#current;
    this.#current = this.#isWanted === undefined ? this.#items[this.#at++] : this.#ahead[this.#aheadAt++];
    return true;
  }

  attribute(name: string): unknown {
    switch (name) {
      case 'index':
        return this.#index0 + 1;
      case 'index0':
        return this.#index0;
      case 'first':
        return this.#index0 === 0;
      case 'last':
        return !this.#hasNext();
      case 'length':
        return this.#count();
      case 'revindex':
        return this.#count() - this.#index0;
      case 'revindex0':
        return this.#count() - this.#index0 - 1;
      case 'previtem':
        return this.#index0 === 0 ? undefined : this.#before;
      case 'nextitem':
        return this.#hasNext() ? this.#next() : undefined;
      case 'depth':
        return 1;
      case 'depth0':
        return 0;
      case 'cycle':
        return new Callable((args, named) => this.#cycle(args, named));
      case 'changed':
        return new Callable((args, named) => this.#changed(args, named));
      default:
        return undefined;
    }
  }

  #hasNext(): boolean {
    return this.#isWanted === undefined ? this.#at < this.#items.length : this.#peek();
  }

  #next(): unknown {
    return this.#isWanted === undefined ? this.#items[this.#at] : this.#ahead[this.#aheadAt];
  }

  #peek(): boolean {
    return this.#aheadAt < this.#ahead.length || this.#pull();
  }

  #pull(): boolean {
    while (this.#at < this.#items.length) {
      const item = this.#items[this.#at++];
      if (this.#isWanted!(item)) {
        this.#ahead.push(item);
        return true;
      }
    }
    return false;
  }

  #count(): number {
    if (this.#isWanted === undefined) return this.#items.length;
    if (this.#length === undefined) {
      while (this.#pull());
      this.#length = this.#index0 + 1 + this.#ahead.length - this.#aheadAt;
    }
    return this.#length;
  }

  #cycle(args: readonly unknown[], named: ReadonlyMap<string, unknown>): unknown {
    if (named !== NO_NAMES) throw unsupported('named arguments of cycle');
    if (args.length === 0) throw failed('cycle without values');
    return args[this.#index0 % args.length];
  }

  #changed(args: readonly unknown[], named: ReadonlyMap<string, unknown>): boolean {
    if (named !== NO_NAMES) throw unsupported('named arguments of changed');
    const last = this.#lastValues;
    const isSame =
      last?.length === args.length && args.every((value, at) => equals(value, last[at], this.#budget));
    this.#lastValues = args;
    return !isSame;
  }
}
