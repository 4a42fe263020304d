import { type PollFact, RELAPSE_WITHIN_MS } from './health-fact.ts';

/** Polls in a row without an answer that count as a failure. */
const UNANSWERED = 2;
/** Polls that have to go well, one after the other, before failed ones are forgotten; doubled by each relapse. */
const GOOD = 2;
const GOOD_AT_MOST = 32;

/** What `GET /health` says of a pod. */
export class PollHealth {
  state: 'none' | 'ok' | 'failing' = 'none';
  /** What the last failure was. */
  why = '';
  #unanswered = 0;
  #good = 0;
  #goodNeeded = GOOD;
  #recoveredAt = Number.NEGATIVE_INFINITY;

  /** Whether the last poll had no answer, which may be chance. */
  get isUnanswered(): boolean {
    return this.#unanswered > 0;
  }

  /** Returns whether this poll ends a failure. */
  apply(fact: PollFact, nowMs: number): boolean {
    switch (fact.kind) {
      case 'poll_ok':
        return this.#ok(nowMs);
      case 'poll_failed':
      case 'poll_refused':
        this.#failed(fact.what, nowMs);
        return false;
      case 'poll_unanswered':
        if (++this.#unanswered >= UNANSWERED) this.#failed(fact.what, nowMs);
        return false;
      case 'poll_void':
        this.state = 'none';
        this.#unanswered = 0;
        return false;
    }
  }

  #ok(nowMs: number): boolean {
    this.#unanswered = 0;
    const wasFailing = this.state === 'failing';
    if (wasFailing && ++this.#good < this.#goodNeeded) return false;
    this.state = 'ok';
    if (wasFailing) this.#recoveredAt = nowMs;
    return wasFailing;
  }

  #failed(what: string, nowMs: number): void {
    if (this.state !== 'failing') {
      const isRelapse = nowMs - this.#recoveredAt <= RELAPSE_WITHIN_MS;
      this.#goodNeeded = isRelapse ? Math.min(2 * this.#goodNeeded, GOOD_AT_MOST) : GOOD;
    }
    this.state = 'failing';
    this.why = what;
    this.#unanswered = 0;
    this.#good = 0;
  }
}
