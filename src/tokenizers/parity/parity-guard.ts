/**
 * Whether tokens that were computed here may be used for a model and an endpoint: only after they were the engine's own, and only as
 * long as they are. No I/O: it is told what comparisons came to, and says which requests are to be compared.
 *
 *     unproven ──equal──▶ trusted ──different, unconfirmed──▶ doubted ──10 minutes──▶ unproven
 */
import type { Clock } from '../../time.ts';
import type { Comparison, Difference } from './comparison.ts';

/** How long the engine is asked after a difference. */
export const DOUBT_MS = 10 * 60 * 1000;
/** Requests of each model and endpoint that are compared, whatever the share is. */
export const FIRST_CHECKS = 20;
/** Pairs of model and endpoint; further ones are the engine's. */
const MAX_SUBJECTS = 1_024;

export type ParityState =
  | { readonly kind: 'unproven' }
  /** `unaskable`: no engine tells its tokens of such requests, so that only its events can contradict. */
  | { readonly kind: 'trusted'; readonly by: 'comparison' | 'unaskable' }
  | { readonly kind: 'doubted'; readonly untilMs: number; readonly why: 'different' | 'unconfirmed' };

/** One model at one endpoint, as operators see it. */
export interface ParityRecord {
  readonly model: string;
  readonly endpoint: string;
  readonly state: ParityState;
  readonly equal: number;
  readonly different: number;
}

export type ParityFact =
  | {
      readonly kind: 'compared';
      readonly model: string;
      readonly endpoint: string;
      readonly outcome: Comparison['kind'];
    }
  | {
      readonly kind: 'trusted';
      readonly model: string;
      readonly endpoint: string;
      readonly by: 'comparison' | 'unaskable';
    }
  | {
      readonly kind: 'doubted';
      readonly model: string;
      readonly endpoint: string;
      readonly difference: Difference | undefined;
    };

export interface ParityGuardOptions {
  /** Of the requests after the first ones, 0 to 100. */
  readonly checkPercent: number;
  readonly now: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly onFact: (fact: ParityFact) => void;
}

interface Subject {
  state: ParityState;
  /** Comparisons that are still to be made of the first requests. */
  firstLeft: number;
  equal: number;
  different: number;
}

export class ParityGuard {
  readonly #options: ParityGuardOptions;
  /** Model → endpoint → what is known of the two. */
  readonly #models = new Map<string, Map<string, Subject>>();
  #count = 0;

  constructor(options: ParityGuardOptions) {
    this.#options = options;
  }

  /** Whether tokens computed here stand for the engine's. */
  mayUse(model: string, endpoint: string): boolean {
    const subject = this.#subjectOf(model, endpoint);
    return subject !== undefined && this.#stateOf(subject).kind === 'trusted';
  }

  /** Whether they are known to be others. */
  isDoubted(model: string, endpoint: string): boolean {
    const subject = this.#models.get(model)?.get(endpoint);
    return subject !== undefined && this.#stateOf(subject).kind === 'doubted';
  }

  /** Whether this request is one to compare. Not while it is known that they differ. */
  wantsCheck(model: string, endpoint: string): boolean {
    const subject = this.#subjectOf(model, endpoint);
    if (subject === undefined || this.#stateOf(subject).kind === 'doubted') return false;
    return subject.firstLeft > 0 || this.#options.random() * 100 < this.#options.checkPercent;
  }

  compared(model: string, endpoint: string, comparison: Comparison): void {
    const subject = this.#subjectOf(model, endpoint);
    if (subject === undefined) return;
    this.#options.onFact({ kind: 'compared', model, endpoint, outcome: comparison.kind });
    if (comparison.kind === 'different') {
      subject.different++;
      this.#doubt(model, endpoint, subject, comparison);
    } else if (comparison.kind === 'equal') {
      subject.equal++;
      subject.firstLeft = Math.max(0, subject.firstLeft - 1);
      if (this.#stateOf(subject).kind === 'unproven') this.#trust(model, endpoint, subject, 'comparison');
    }
  }

  /** No engine of the model tells its tokens of such requests. */
  unaskable(model: string, endpoint: string): void {
    const subject = this.#subjectOf(model, endpoint);
    if (subject === undefined || this.#stateOf(subject).kind !== 'unproven') return;
    subject.firstLeft = 0;
    this.#trust(model, endpoint, subject, 'unaskable');
  }

  /** Engines do not announce what was predicted by the tokens in use. Without effect where these are not used. */
  unconfirmed(model: string, endpoint: string): void {
    const subject = this.#models.get(model)?.get(endpoint);
    if (subject !== undefined && this.#stateOf(subject).kind === 'trusted')
      this.#doubt(model, endpoint, subject, undefined);
  }

  /** An engine of the model has restarted, or joined: the next requests are compared again. */
  engineChanged(model: string): void {
    for (const subject of this.#models.get(model)?.values() ?? []) {
      const { state } = subject;
      if (state.kind !== 'trusted' || state.by === 'comparison') subject.firstLeft = FIRST_CHECKS;
    }
  }

  /** The model's tokenizer files are others, or it is served no more: nothing is known. */
  forget(model: string): void {
    this.#count -= this.#models.get(model)?.size ?? 0;
    this.#models.delete(model);
  }

  records(): ParityRecord[] {
    return [...this.#models].flatMap(([model, endpoints]) =>
      [...endpoints].map(([endpoint, subject]) => {
        const { equal, different } = subject;
        return { model, endpoint, state: this.#stateOf(subject), equal, different };
      }),
    );
  }

  #stateOf(subject: Subject): ParityState {
    const { state } = subject;
    if (state.kind === 'doubted' && this.#options.now() >= state.untilMs) {
      subject.state = { kind: 'unproven' };
      subject.firstLeft = FIRST_CHECKS;
    }
    return subject.state;
  }

  #trust(model: string, endpoint: string, subject: Subject, by: 'comparison' | 'unaskable'): void {
    subject.state = { kind: 'trusted', by };
    this.#options.onFact({ kind: 'trusted', model, endpoint, by });
  }

  #doubt(model: string, endpoint: string, subject: Subject, difference: Difference | undefined): void {
    const isNews = this.#stateOf(subject).kind !== 'doubted';
    subject.state = {
      kind: 'doubted',
      untilMs: this.#options.now() + DOUBT_MS,
      why: difference === undefined ? 'unconfirmed' : 'different',
    };
    if (isNews) this.#options.onFact({ kind: 'doubted', model, endpoint, difference });
  }

  #subjectOf(model: string, endpoint: string): Subject | undefined {
    const known = this.#models.get(model)?.get(endpoint);
    if (known !== undefined || this.#count >= MAX_SUBJECTS) return known;
    const subject: Subject = {
      ...{ state: { kind: 'unproven' }, firstLeft: FIRST_CHECKS, equal: 0, different: 0 },
    };
    const ofModel = this.#models.get(model) ?? new Map<string, Subject>();
    this.#models.set(model, ofModel.set(endpoint, subject));
    this.#count++;
    return subject;
  }
}
