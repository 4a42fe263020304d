/**
 * The health of one pod, as a state machine without I/O: facts in, state out. Three things speak of it, and each has its own
 * part of the state, so that one never overwrites what another has said.
 *
 *   sleeping    the engine has put itself to sleep
 *   failing     its polls say so (`poll-health.ts`), or its responses (`response-health.ts`)
 *   healthy     one of them says that it is well
 *   unknown     nothing has been heard of it
 *
 * Times are milliseconds of a monotonic clock.
 */
import type { HealthFact } from './health-fact.ts';
import { PollHealth } from './poll-health.ts';
import { ResponseHealth } from './response-health.ts';

export type HealthState = 'healthy' | 'failing' | 'sleeping' | 'unknown';

export class PodHealth {
  readonly #polls = new PollHealth();
  readonly #responses = new ResponseHealth();
  #isAsleep = false;

  get state(): HealthState {
    if (this.#isAsleep) return 'sleeping';
    const states = [this.#polls.state, this.#responses.state];
    if (states.includes('failing')) return 'failing';
    return states.includes('ok') ? 'healthy' : 'unknown';
  }

  /** Why it is in its state, in words for an operator; '' if there is nothing to say. */
  get why(): string {
    if (this.#isAsleep) return 'the engine sleeps';
    if (this.#polls.state === 'failing') return this.#polls.why;
    return this.#responses.state === 'failing' ? this.#responses.why : '';
  }

  /** Something went wrong lately, and it is not known yet what that means: its responses should be looked at. */
  isSuspect(nowMs: number): boolean {
    const isKnown = this.#isAsleep || this.state === 'failing';
    return !isKnown && (this.#polls.isUnanswered || this.#responses.isSuspect(nowMs));
  }

  /** Whether a request should find out whether it still fails. */
  isTrialDue(nowMs: number): boolean {
    return !this.#isAsleep && this.#polls.state !== 'failing' && this.#responses.isTrialDue(nowMs);
  }

  trialBegan(): void {
    this.#responses.trialBegan();
  }

  trialEnded(): void {
    this.#responses.trialEnded();
  }

  /**
   * @param responses whether the outcome of requests can be seen at all: without, there is no use in trials, and a pod is well
   *   when the poll says so
   */
  apply(fact: HealthFact, nowMs: number, responses: 'seen' | 'unseen' = 'seen'): void {
    switch (fact.kind) {
      case 'asleep':
      case 'awake':
        this.#isAsleep = fact.kind === 'asleep';
        break;
      case 'answered':
      case 'failed':
      case 'unanswered':
        this.#responses.apply(fact, nowMs);
        break;
      default: {
        const isBack = this.#polls.apply(fact, nowMs);
        if (!isBack) break;
        if (responses === 'seen') this.#responses.tryAtOnce(`comes back: ${this.#polls.why}`, nowMs);
        else this.#responses.comeBack(nowMs);
      }
    }
  }
}
