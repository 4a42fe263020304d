/** Which pod to ask, and whether it may be asked: fewest calls under way, one circuit breaker per pod, one retry. */
import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  type IBackoff,
} from 'cockatiel';
import { LRUCache } from 'lru-cache';
import type { Pod } from '../domain.ts';
import { TokenizerError, type TokenizerErrorKind } from './tokenizer.ts';

/** Pods come and go; what is known of those not heard of for the longest time is dropped beyond this many. */
const MAX_KNOWN_PODS = 4096;

const MAX_ATTEMPTS = 2;

export interface BreakerOptions {
  /** Consecutive failed calls that open a pod's circuit. */
  readonly failures: number;
  /** After this time one call is let through; its success closes the circuit. */
  readonly halfOpenAfterMs: number;
}

export interface PodCallsOptions {
  readonly breaker: BreakerOptions;
  /** Tells pods apart, and a pod from its successor of the same name. */
  readonly keyOf: (pod: Pod) => string;
  readonly now: () => number;
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
  readonly breaker: CircuitBreakerPolicy;
  outstanding: number;
}

type Outcome<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'refused'; readonly error: TokenizerError };

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
        // cockatiel would keep the call waiting for the outcome of the one that probes this pod.
        if (state.breaker.state === CircuitState.HalfOpen) continue;
        try {
          const outcome = await state.breaker.execute(async (): Promise<Outcome<T>> => {
            if (failed !== undefined) options.onRetry(failed.pod);
            attempts++;
            state.outstanding++;
            try {
              return { kind: 'answered', value: await call(pod) };
            } catch (error) {
              // The breaker must see an answer as a success, also one that we do not like.
              if (isKind(error, 'refused')) return { kind: 'refused', error };
              throw error;
            } finally {
              state.outstanding--;
            }
          });
          if (outcome.kind === 'refused') throw outcome.error;
          return outcome.value;
        } catch (error) {
          if (error instanceof BrokenCircuitError) continue;
          if (!(isKind(error, 'unavailable') || isKind(error, 'timeout')) || attempts === MAX_ATTEMPTS)
            throw error;
          failed = { pod, error };
        }
      }
      throw failed?.error ?? new TokenizerError('unavailable', 'no pod may be asked: every circuit is open');
    },
  };
}

function createBreaker(pod: Pod, { breaker, now, onBreaker }: PodCallsOptions): CircuitBreakerPolicy {
  const policy: CircuitBreakerPolicy = circuitBreaker(
    // A cancelled probe tells nothing about the pod: without this, cockatiel would close the circuit.
    handleWhen(
      error =>
        isKind(error, 'unavailable') ||
        isKind(error, 'timeout') ||
        (isKind(error, 'aborted') && policy.state === CircuitState.HalfOpen),
    ),
    {
      halfOpenAfter: { next: () => waitFrom(now(), breaker.halfOpenAfterMs, now) },
      breaker: new ConsecutiveBreaker(breaker.failures),
    },
  );
  policy.onBreak(() => onBreaker(pod, 'open'));
  policy.onReset(() => onBreaker(pod, 'closed'));
  return policy;
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

function isKind(error: unknown, kind: TokenizerErrorKind): error is TokenizerError {
  return error instanceof TokenizerError && error.kind === kind;
}
