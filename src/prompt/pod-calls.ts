/** Which pod to ask, and whether it may be asked: fewest calls under way, one circuit breaker per pod, one retry. */
import { LRUCache } from 'lru-cache';
import type { Pod } from '../domain.ts';
import { Breaker, type BreakerOptions, type CallOutcome, type Clock } from '../time.ts';
import { TokenizerError } from './tokenizer.ts';

/** Pods come and go; what is known of those not heard of for the longest time is dropped beyond this many. */
const MAX_KNOWN_PODS = 4096;

const MAX_ATTEMPTS = 2;

/** See `Breaker`. */
export type PodBreakerOptions = Pick<BreakerOptions, 'failures' | 'halfOpenAfterMs'>;

export interface PodCallsOptions {
  readonly breaker: PodBreakerOptions;
  /** Tells pods apart, and a pod from its successor of the same name. */
  readonly keyOf: (pod: Pod) => string;
  readonly now: Clock;
  readonly onRetry: (failed: Pod) => void;
  readonly onBreaker: (pod: Pod, state: 'open' | 'closed') => void;
}

export interface PodCalls {
  /**
   * Runs `call` on one of `pods`, and on another one if the first was unavailable or late. Rejects with the last call's
   * TokenizerError, or with `unavailable` if no pod may be asked. Only `unavailable` and `timeout` count against a pod.
   */
  run<T>(pods: readonly Pod[], call: (pod: Pod) => Promise<T>): Promise<T>;
}

interface PodState {
  readonly breaker: Breaker;
  outstanding: number;
}

export function createPodCalls(options: PodCallsOptions): PodCalls {
  const states = new LRUCache<string, PodState>({ max: MAX_KNOWN_PODS });
  let turn = 0;

  function stateOf(pod: Pod): PodState {
    const key = options.keyOf(pod);
    let state = states.get(key);
    if (state === undefined) {
      state = { breaker: createBreaker(pod, options), outstanding: 0 };
      states.set(key, state);
    }
    return state;
  }

  /** Fewest outstanding calls first; equals in turn, so that a quiet router does not always ask the same pod. */
  function inOrder(pods: readonly Pod[]): { pod: Pod; state: PodState }[] {
    const first = turn++ % pods.length;
    return [...pods.slice(first), ...pods.slice(0, first)]
      .map(pod => ({ pod, state: stateOf(pod) }))
      .sort((a, b) => a.state.outstanding - b.state.outstanding);
  }

  return {
    async run<T>(pods: readonly Pod[], call: (pod: Pod) => Promise<T>) {
      let failed: { pod: Pod; error: unknown } | undefined;
      let attempts = 0;
      for (const { pod, state } of inOrder(pods)) {
        const ended = state.breaker.admit();
        if (ended === undefined) continue;
        if (failed !== undefined) options.onRetry(failed.pod);
        attempts++;
        state.outstanding++;
        try {
          const answer = await call(pod);
          ended('succeeded');
          return answer;
        } catch (error) {
          const outcome = outcomeOf(error);
          ended(outcome);
          if (outcome !== 'failed' || attempts === MAX_ATTEMPTS) throw error;
          failed = { pod, error };
        } finally {
          state.outstanding--;
        }
      }
      throw failed?.error ?? new TokenizerError('unavailable', 'no pod may be asked: every circuit is open');
    },
  };
}

function createBreaker(pod: Pod, { breaker, now, onBreaker }: PodCallsOptions): Breaker {
  return new Breaker({
    ...breaker,
    now,
    onState: state => {
      if (state !== 'half_open') onBreaker(pod, state);
    },
  });
}

/** A refusal is an answer, if not one that we like. */
function outcomeOf(error: unknown): CallOutcome {
  switch (error instanceof TokenizerError ? error.kind : undefined) {
    case 'unavailable':
    case 'timeout':
      return 'failed';
    case 'refused':
      return 'succeeded';
    default:
      return 'unknown';
  }
}
