import { bytesOf, type KeptDecision } from './kept-decision.ts';
import type { DecisionRecord, ServedRecord } from './record.ts';

export interface DecisionLogOptions {
  /** Puts a decision into words. Called for those that somebody asks for. */
  readonly tell: (decision: KeptDecision) => DecisionRecord;
  readonly maxDecisions?: number;
  readonly maxBytes?: number;
}

/** What is asked for; undefined: whatever it is. */
export interface DecisionFilter {
  /** The request id, which clients may have given to several requests. */
  readonly id: string | undefined;
  readonly model: string | undefined;
  /** The one that was picked, or that served. */
  readonly pod: string | undefined;
  /** Why a pod was picked, why the prompt has no tokens, or why the request was rejected. */
  readonly reason: string | undefined;
}

/** What is done with decisions where they are made. */
export interface DecisionRecorder {
  /** Returns its number, for `served`. */
  add(decision: KeptDecision): number;
  /** The answer to its request has begun. */
  served(decision: number, served: ServedRecord): void;
}

/** So many decisions are kept. */
const MAX_DECISIONS = 10_000;
/** Enough for them with sixteen candidates each; fewer are kept of what has long names, or prompts. */
export const MAX_BYTES = 32 << 20;

/** The last decisions, newest first, bounded in number and bytes. */
export class DecisionLog implements DecisionRecorder {
  readonly #tell: DecisionLogOptions['tell'];
  readonly #maxDecisions: number;
  readonly #maxBytes: number;
  /** By number, modulo their most. */
  readonly #kept: (KeptDecision | undefined)[] = [];
  /** Numbers: of the oldest that is kept, and of the next. */
  #oldest = 0;
  #next = 0;
  #bytes = 0;

  constructor({ tell, maxDecisions = MAX_DECISIONS, maxBytes = MAX_BYTES }: DecisionLogOptions) {
    this.#tell = tell;
    this.#maxDecisions = maxDecisions;
    this.#maxBytes = maxBytes;
  }

  /** How many there were since the start. */
  get recorded(): number {
    return this.#next;
  }

  get size(): number {
    return this.#next - this.#oldest;
  }

  /** Of what is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  add(decision: KeptDecision): number {
    const bytes = bytesOf(decision);
    while (this.size > 0 && (this.size >= this.#maxDecisions || this.#bytes + bytes > this.#maxBytes))
      this.#dropOldest();
    const number = this.#next++;
    this.#kept[number % this.#maxDecisions] = decision;
    this.#bytes += bytes;
    return number;
  }

  served(number: number, served: ServedRecord): void {
    if (number < this.#oldest) return;
    this.#at(number).served = served;
  }

  /** Those of this moment, newest first, as far as `limit`; each is put into words when it is taken. */
  recent({ id, model, pod, reason }: DecisionFilter, limit: number): Iterable<DecisionRecord> {
    const found: KeptDecision[] = [];
    for (let number = this.#next - 1; number >= this.#oldest && found.length < limit; number--) {
      const decision = this.#at(number);
      if (id !== undefined && decision.id !== id) continue;
      if (model !== undefined && decision.model !== model) continue;
      if (pod !== undefined && !namesPod(decision, pod)) continue;
      if (reason !== undefined && !hasReason(decision, reason)) continue;
      found.push(decision);
    }
    return this.#told(found);
  }

  *#told(decisions: readonly KeptDecision[]): Generator<DecisionRecord> {
    for (const decision of decisions) yield this.#tell(decision);
  }

  #at(number: number): KeptDecision {
    return this.#kept[number % this.#maxDecisions]!;
  }

  #dropOldest(): void {
    this.#bytes -= bytesOf(this.#at(this.#oldest));
    this.#kept[this.#oldest++ % this.#maxDecisions] = undefined;
  }
}

function namesPod({ outcome, served }: KeptDecision, pod: string): boolean {
  return (outcome.kind === 'routed' && outcome.pod.name === pod) || served?.pod === pod;
}

function hasReason({ outcome }: KeptDecision, reason: string): boolean {
  if (outcome.kind === 'rejected') return outcome.error === reason;
  return outcome.kind === 'routed' && (outcome.reason === reason || outcome.withoutTokens === reason);
}
