import type { FeedFact } from '../../events/event-feed.ts';
import { type Clock, wallClock } from '../../time.ts';
import type { StateChange } from './messages.ts';

const CHANGES_PER_PUBLISHER = 16;
/** Further ones have no history: with all of them it takes some 2 MB. */
const MAX_PUBLISHERS = 1_024;

interface Numbered {
  /** From 1 on, of all publishers. */
  readonly number: number;
  readonly change: StateChange;
}

/** The last changes of each event stream's state. */
export class StateHistory {
  readonly #wallClock: Clock;
  /** By pod, then rank; oldest first. */
  readonly #pods = new Map<string, Map<number, Numbered[]>>();
  #publishers = 0;
  #last = 0;

  constructor(now: Clock = wallClock) {
    this.#wallClock = now;
  }

  /** The number of the newest change. */
  get last(): number {
    return this.#last;
  }

  hear(fact: FeedFact): void {
    if (fact.kind !== 'state') return;
    const { pod, rank, state, why = null } = fact;
    const changes = this.#changesOf(pod, rank);
    if (changes === undefined) return;
    this.#last++;
    changes.push({ number: this.#last, change: { pod, rank, at: this.#wallClock(), state, why } });
    if (changes.length > CHANGES_PER_PUBLISHER) changes.shift();
  }

  left(pod: string): void {
    this.#publishers -= this.#pods.get(pod)?.size ?? 0;
    this.#pods.delete(pod);
  }

  /** What is remembered of the changes after this one, oldest first. */
  after(number: number): StateChange[] {
    if (number >= this.#last) return [];
    return [...this.#pods.values()]
      .flatMap(ranks => [...ranks.values()].flat())
      .filter(each => each.number > number)
      .sort((a, b) => a.number - b.number)
      .map(({ change }) => change);
  }

  #changesOf(pod: string, rank: number): Numbered[] | undefined {
    let ranks = this.#pods.get(pod);
    const known = ranks?.get(rank);
    if (known !== undefined) return known;
    if (this.#publishers >= MAX_PUBLISHERS) return undefined;
    if (ranks === undefined) {
      ranks = new Map();
      this.#pods.set(pod, ranks);
    }
    const changes: Numbered[] = [];
    ranks.set(rank, changes);
    this.#publishers++;
    return changes;
  }
}
