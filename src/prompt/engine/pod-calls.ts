/**
 * Which pod to ask, and when to ask another one: the first when it fails at once, a second one beside it when it is slower
 * than usual. The first answer wins, and the other call is cancelled.
 */
import { LRUCache } from 'lru-cache';
import type { Pod } from '../../domain.ts';
import type { Clock, Sleep } from '../../time.ts';
import { isDeadline, TokenizerError } from '../tokenizer.ts';
import { PodTrust, type PodTrustOptions } from './pod-trust.ts';
import { RecentLatencies } from './recent-latencies.ts';

/** Pods come and go; what is known of those not heard of for the longest time is dropped beyond this many. */
const MAX_KNOWN_PODS = 4096;
/** For one prompt: an outage must not triple what the pods that are left have to do. */
const MAX_ASKED = 3;
const MAX_AT_A_TIME = 2;

export interface PodCallsOptions {
  readonly breaker: Pick<PodTrustOptions, 'failures' | 'halfOpenAfterMs'>;
  /** Tells pods apart, and a pod from its successor of the same name. */
  readonly keyOf: (pod: Pod) => string;
  /** See `PodTrustOptions`. */
  readonly probe: (pod: Pod) => Promise<'works' | 'fails' | 'unknown'>;
  readonly now: Clock;
  readonly sleep: Sleep;
  /** `failed`: the pod was unavailable; `slow`: it has not answered yet. Another one is asked. */
  readonly onAnother: (why: 'failed' | 'slow', pod: Pod) => void;
  readonly onBreaker: (pod: Pod, state: 'open' | 'closed') => void;
}

export type PodCall<T> = (pod: Pod, signal: AbortSignal) => Promise<T>;

export interface PodCalls {
  /**
   * Runs `call` on one of `pods`, and on others as far as it takes. Rejects with TokenizerError: the last call's, `unavailable`
   * if no pod may be asked, `timeout` or `aborted` if `signal` is aborted, by a deadline or otherwise.
   * @param bytes the prompt's size, which says how long it usually takes
   */
  run<T>(pods: readonly Pod[], bytes: number, call: PodCall<T>, signal: AbortSignal): Promise<T>;
}

interface PodState {
  readonly pod: Pod;
  readonly trust: PodTrust;
  outstanding: number;
}

/** The reason of an abort because another pod's answer was there first. */
export const OUTRUN = new Error('another pod has answered');

export function createPodCalls(options: PodCallsOptions): PodCalls {
  const { keyOf, probe, now, onBreaker, breaker } = options;
  const states = new LRUCache<string, PodState>({ max: MAX_KNOWN_PODS });
  const latencies = new RecentLatencies();
  let turn = 0;

  function stateOf(pod: Pod): PodState {
    const key = keyOf(pod);
    let state = states.get(key);
    if (state === undefined) {
      const onState = (state: 'open' | 'closed') => onBreaker(pod, state);
      const trust = new PodTrust({ ...breaker, now, probe: () => probe(pod), onState });
      state = { pod, trust, outstanding: 0 };
      states.set(key, state);
    }
    return state;
  }

  /**
   * Those that may be asked. Fewest outstanding calls first; equals in turn, so that a quiet router does not always ask the
   * same pod; those that are under suspicion last.
   */
  function inOrder(pods: readonly Pod[]): PodState[] {
    const first = turn++ % pods.length;
    return [...pods.slice(first), ...pods.slice(0, first)]
      .map(stateOf)
      .filter(({ trust }) => trust.mayBeAsked())
      .sort(
        (a, b) => Number(a.trust.isSuspected) - Number(b.trust.isSuspected) || a.outstanding - b.outstanding,
      );
  }

  return {
    run(pods, bytes, call, signal) {
      return new Race({ ...options, latencies, bytes, call, signal }, inOrder(pods)).result;
    },
  };
}

interface RaceOptions<T> extends Pick<PodCallsOptions, 'now' | 'sleep' | 'onAnother'> {
  readonly latencies: RecentLatencies;
  readonly bytes: number;
  readonly call: PodCall<T>;
  readonly signal: AbortSignal;
}

interface Runner {
  readonly state: PodState;
  readonly startedAtMs: number;
  readonly cancel: AbortController;
}

/** One prompt's calls. */
class Race<T> {
  readonly #options: RaceOptions<T>;
  readonly #waiting: PodState[];
  /** In the order of their start. */
  readonly #running = new Set<Runner>();
  readonly #over = Promise.withResolvers<T>();
  /** Ends the wait for the slow. */
  readonly #ended = new AbortController();
  #asked = 0;

  constructor(options: RaceOptions<T>, waiting: PodState[]) {
    this.#options = options;
    this.#waiting = waiting;
    const { signal } = options;
    signal.addEventListener('abort', this.#giveUp, { once: true });
    if (signal.aborted) this.#giveUp();
    else if (!this.#start()) {
      this.#reject(new TokenizerError('unavailable', 'no pod may be asked: every circuit is open'));
    }
  }

  get result(): Promise<T> {
    return this.#over.promise;
  }

  /** False if nobody is left who may be asked. */
  #start(): boolean {
    const state = this.#asked < MAX_ASKED ? this.#waiting.shift() : undefined;
    if (state === undefined) return false;
    const { call, now } = this.#options;
    const runner: Runner = { state, startedAtMs: now(), cancel: new AbortController() };
    this.#asked++;
    this.#running.add(runner);
    state.outstanding++;
    call(state.pod, runner.cancel.signal)
      .finally(() => state.outstanding--)
      .then(
        value => this.#answered(runner, value),
        error => this.#failed(runner, error),
      );
    if (this.#waiting.length > 0) void this.#waitForSlow(runner);
    return true;
  }

  async #waitForSlow(runner: Runner): Promise<void> {
    const { sleep, latencies, bytes, onAnother } = this.#options;
    try {
      await sleep(latencies.slowAfterMs(bytes), this.#ended.signal);
    } catch {
      return;
    }
    if (!this.#running.has(runner) || this.#running.size >= MAX_AT_A_TIME) return;
    if (this.#start()) onAnother('slow', runner.state.pod);
  }

  #answered(runner: Runner, value: T): void {
    if (!this.#running.delete(runner)) return;
    const { now, latencies, bytes } = this.#options;
    runner.state.trust.answered();
    latencies.note(bytes, now() - runner.startedAtMs);
    for (const other of this.#running) {
      if (other.startedAtMs > runner.startedAtMs) continue;
      // It took at least so long: without this, a slow pod would never be among what is usual.
      latencies.note(bytes, now() - other.startedAtMs);
      other.state.trust.doubted();
    }
    this.#end(OUTRUN);
    this.#over.resolve(value);
  }

  #failed(runner: Runner, error: unknown): void {
    if (!this.#running.delete(runner)) return;
    const { trust, pod } = runner.state;
    const kind = error instanceof TokenizerError ? error.kind : undefined;
    if (kind === 'unavailable') trust.doubted();
    else if (kind === 'refused' || kind === 'no_form') trust.answered();
    // What one pod has no form for, a newer one may render.
    if (kind === 'unavailable' || kind === 'no_form') {
      if (this.#start()) {
        this.#options.onAnother('failed', pod);
        return;
      }
      if (this.#running.size > 0) return;
    }
    this.#end(OUTRUN);
    this.#reject(error);
  }

  readonly #giveUp = (): void => {
    const { signal, latencies, bytes, now } = this.#options;
    const isLate = isDeadline(signal);
    for (const { state, startedAtMs } of isLate ? this.#running : []) {
      state.trust.doubted();
      latencies.note(bytes, now() - startedAtMs);
    }
    this.#end(signal.reason);
    this.#reject(
      isLate
        ? new TokenizerError('timeout', 'the engine did not answer in time', { cause: signal.reason })
        : new TokenizerError('aborted', 'the caller no longer waits', { cause: signal.reason }),
    );
  };

  #end(reason: unknown): void {
    this.#options.signal.removeEventListener('abort', this.#giveUp);
    const running = [...this.#running];
    this.#running.clear();
    for (const { cancel } of running) cancel.abort(reason);
    this.#ended.abort();
  }

  #reject(error: unknown): void {
    this.#over.reject(error);
  }
}
