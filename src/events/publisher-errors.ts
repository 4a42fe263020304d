import type { Clock } from '../time.ts';
import type { PublisherFact } from './feed-fact.ts';

export interface PublisherError {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly what: string;
}

const MAX_ERRORS = 5;

/** The last errors of a publisher, for its operator. */
export class PublisherErrors {
  readonly #wallClock: Clock;
  readonly #onFact: (fact: PublisherFact) => void;
  readonly #errors: PublisherError[] = [];

  constructor(wallClock: Clock, onFact: (fact: PublisherFact) => void) {
    this.#wallClock = wallClock;
    this.#onFact = onFact;
  }

  add(what: string): void {
    this.#errors.push({ at: this.#wallClock(), what });
    if (this.#errors.length > MAX_ERRORS) this.#errors.shift();
  }

  malformed(
    why: (PublisherFact & { readonly kind: 'malformed_message' })['why'],
    detail: string = why,
  ): void {
    this.add(`message not understood: ${detail}`);
    this.#onFact({ kind: 'malformed_message', why });
  }

  /** Oldest first. */
  list(): readonly PublisherError[] {
    return [...this.#errors];
  }
}
