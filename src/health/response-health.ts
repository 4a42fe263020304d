import { RELAPSE_WITHIN_MS, type ResponseFact } from './health-fact.ts';

/** A failure counts 1; a success, and time, make less of those before it: to fail, one request in four has to. */
const FAILING_FROM = 1.5;
const SUSPECT_FROM = 0.4;
const LEFT_AFTER_SUCCESS = 0.7;
const HALF_LIFE_MS = 10_000;
/** Unanswered requests in a row, or at once, that count as silence. */
const SILENT = 2;
/** Requests that have to go well, one after the other, before a failing pod is one of many again. */
const TRIALS = 3;
/** From failing to the first trial, doubled by each trial that fails, and by each relapse. */
const FIRST_TRIAL_AFTER_MS = 15_000;
const TRIAL_AFTER_AT_MOST_MS = 120_000;

/** What a pod's answers to requests say of it. Once it fails, only requests that were sent since say more. */
export class ResponseHealth {
  state: 'none' | 'ok' | 'failing' = 'none';
  /** What the last failure was. */
  why = '';
  /** The failures that count, as of `#scoredAt`. */
  #score = 0;
  #scoredAt = 0;
  #unanswered = 0;
  #failingSince = Number.POSITIVE_INFINITY;
  #isSilent = false;
  #trialAt = 0;
  #trialAfterMs = FIRST_TRIAL_AFTER_MS;
  #cameBackAt = Number.NEGATIVE_INFINITY;
  /** Trials that went well, one after the other; and those on their way. */
  #good = 0;
  #trials = 0;

  isSuspect(nowMs: number): boolean {
    return this.#unanswered > 0 || this.#scoreAt(nowMs) >= SUSPECT_FROM;
  }

  /** One trial at a time, and one more for each that went well. */
  isTrialDue(nowMs: number): boolean {
    return this.state === 'failing' && nowMs >= this.#trialAt && this.#trials < 1 + this.#good;
  }

  /** `trialEnded` follows, after the fact that the trial brought, if it brought one. */
  trialBegan(): void {
    this.#trials++;
  }

  trialEnded(): void {
    this.#trials--;
  }

  apply(fact: ResponseFact, nowMs: number): void {
    switch (fact.kind) {
      case 'answered':
        this.#answered(fact.sentAtMs, nowMs);
        break;
      case 'failed':
        this.#unanswered = 0;
        this.#rescore(this.#scoreAt(nowMs) + 1, nowMs);
        this.#failed(fact, nowMs, this.#score >= FAILING_FROM);
        break;
      case 'unanswered': {
        this.#unanswered++;
        const what = `no answer to any request for ${Math.round(fact.waitedMs / 1000)} s`;
        this.#failed({ ...fact, what }, nowMs, Math.max(fact.silent, this.#unanswered) >= SILENT);
        if (this.#failingSince === nowMs) this.#isSilent = true;
      }
    }
  }

  /** Something else says that the pod is back. That is the first good sign; requests have to confirm it. */
  tryAtOnce(why: string, nowMs: number): void {
    this.#failingSince = Math.min(this.#failingSince, nowMs);
    this.state = 'failing';
    this.why = why;
    this.#isSilent = false;
    this.#trialAt = nowMs;
    this.#good = 1;
  }

  comeBack(nowMs: number): void {
    this.state = 'ok';
    this.why = '';
    this.#failingSince = Number.POSITIVE_INFINITY;
    this.#isSilent = false;
    this.#score = 0;
    this.#unanswered = 0;
    this.#good = 0;
    this.#cameBackAt = nowMs;
  }

  #answered(sentAtMs: number, nowMs: number): void {
    this.#unanswered = 0;
    this.#rescore(LEFT_AFTER_SUCCESS * this.#scoreAt(nowMs), nowMs);
    if (this.state !== 'failing') {
      this.state = 'ok';
    } else if (this.#isSilent) {
      // It was only said to be silent, and speaks.
      this.comeBack(nowMs);
    } else if (sentAtMs >= this.#failingSince) {
      this.#good++;
      this.#trialAt = nowMs;
      if (this.#good >= TRIALS) this.comeBack(nowMs);
    }
  }

  #failed(
    { sentAtMs, what }: { readonly sentAtMs: number; readonly what: string },
    nowMs: number,
    isTooMuch: boolean,
  ): void {
    if (this.state === 'failing') {
      if (sentAtMs < this.#failingSince) return;
      this.why = what;
      this.#good = 0;
      // While all pods fail, requests go there that are no trials: those make nobody wait longer.
      if (nowMs >= this.#trialAt) this.#waitLonger(nowMs);
    } else if (isTooMuch) {
      this.state = 'failing';
      this.why = what;
      this.#failingSince = nowMs;
      this.#good = 0;
      if (nowMs - this.#cameBackAt <= RELAPSE_WITHIN_MS) {
        this.#waitLonger(nowMs);
      } else {
        this.#trialAfterMs = FIRST_TRIAL_AFTER_MS;
        this.#trialAt = nowMs + this.#trialAfterMs;
      }
    }
  }

  #waitLonger(nowMs: number): void {
    this.#trialAfterMs = Math.min(2 * this.#trialAfterMs, TRIAL_AFTER_AT_MOST_MS);
    this.#trialAt = nowMs + this.#trialAfterMs;
  }

  #rescore(score: number, nowMs: number): void {
    this.#score = score;
    this.#scoredAt = nowMs;
  }

  #scoreAt(nowMs: number): number {
    return this.#score * 0.5 ** ((nowMs - this.#scoredAt) / HALF_LIFE_MS);
  }
}
