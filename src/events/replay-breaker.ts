/** Leaves a publisher alone for a while that does not answer replays. */
import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBackoff,
} from 'cockatiel';
import type { Circuit } from './feed-fact.ts';
import type { ReplayOutcome } from './replay.ts';

export interface ReplayBreakerOptions {
  /** Consecutive failed replays that open the circuit. */
  readonly failures: number;
  /** After this time one replay is let through; if it ends well the circuit closes. */
  readonly halfOpenAfterMs: number;
  readonly now: () => number;
  readonly onState: (state: Circuit) => void;
}

export interface ReplayBreaker {
  readonly state: Circuit;
  run(replay: () => Promise<ReplayOutcome>): Promise<ReplayOutcome | 'circuit_open'>;
}

const NAMES = new Map<CircuitState, Circuit>([
  [CircuitState.Open, 'open'],
  [CircuitState.HalfOpen, 'half_open'],
]);

export function createReplayBreaker(options: ReplayBreakerOptions): ReplayBreaker {
  const { failures, halfOpenAfterMs, now, onState } = options;
  const name = (state: CircuitState) => NAMES.get(state) ?? 'closed';
  const policy = circuitBreaker(
    handleWhenResult(
      // One that was ended early tells nothing: it must not close the circuit.
      outcome => outcome !== 'ended' && (outcome !== 'aborted' || name(policy.state) === 'half_open'),
    ),
    {
      halfOpenAfter: { next: () => waitFrom(now(), halfOpenAfterMs, now) },
      breaker: new ConsecutiveBreaker(failures),
    },
  );
  policy.onStateChange(state => onState(name(state)));
  return {
    get state() {
      return name(policy.state);
    },
    async run(replay) {
      try {
        return await policy.execute(replay);
      } catch (error) {
        if (error instanceof BrokenCircuitError) return 'circuit_open';
        throw error;
      }
    },
  };
}

/** A wait that is measured by our clock: cockatiel compares `duration` with the time passed by its own. */
function waitFrom(openedAtMs: number, waitMs: number, now: () => number): IBackoff<unknown> {
  return {
    get duration() {
      return now() - openedAtMs < waitMs ? Number.POSITIVE_INFINITY : 0;
    },
    next: () => waitFrom(now(), waitMs, now),
  };
}
