import { Breaker, type BreakerOptions, type BreakerState } from '../../time.ts';
import type { ReplayOutcome } from './replay.ts';

/** Leaves a publisher alone for a while that does not answer replays. */
export class ReplayBreaker {
  readonly #breaker: Breaker;

  constructor(options: BreakerOptions) {
    this.#breaker = new Breaker(options);
  }

  get state(): BreakerState {
    return this.#breaker.state;
  }

  async run(replay: () => Promise<ReplayOutcome>): Promise<ReplayOutcome | 'circuit_open'> {
    const ended = this.#breaker.admit();
    if (ended === undefined) return 'circuit_open';
    let outcome: ReplayOutcome = 'unreachable';
    try {
      outcome = await replay();
      return outcome;
    } finally {
      ended(outcome === 'ended' ? 'succeeded' : outcome === 'aborted' ? 'unknown' : 'failed');
    }
  }
}
