import { objectBytesOf, packedBytesOf } from './decision-bytes.ts';
import type { KeptDecision } from './kept-decision.ts';
import { type Glance, isPackable, PackedDecisions } from './packed-decisions.ts';
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
  /** By place: their number, modulo their most. Undefined: it is among the packed ones. */
  readonly #objects: (KeptDecision | undefined)[] = [];
  readonly #packed = new PackedDecisions();
  /** By place. */
  readonly #bytesAt: number[] = [];
  /** Of packed ones, by place. */
  readonly #served: (ServedRecord | undefined)[] = [];
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
    const isPacked = isPackable(decision);
    const bytes = isPacked ? packedBytesOf(decision) : objectBytesOf(decision);
    while (this.size > 0 && (this.size >= this.#maxDecisions || this.#bytes + bytes > this.#maxBytes))
      this.#dropOldest();
    const number = this.#next++;
    const place = number % this.#maxDecisions;
    if (isPacked) this.#packed.put(place, decision);
    else this.#objects[place] = decision;
    this.#bytesAt[place] = bytes;
    this.#bytes += bytes;
    return number;
  }

  served(number: number, served: ServedRecord): void {
    if (number < this.#oldest) return;
    const place = number % this.#maxDecisions;
    const decision = this.#objects[place];
    if (decision === undefined) this.#served[place] = served;
    else decision.served = served;
  }

  /** Those of this moment, newest first, as far as `limit`; each is put into words when it is taken. */
  recent({ id, model, pod, reason }: DecisionFilter, limit: number): Iterable<DecisionRecord> {
    const found: KeptDecision[] = [];
    for (let number = this.#next - 1; number >= this.#oldest && found.length < limit; number--) {
      const place = number % this.#maxDecisions;
      const glance = this.#glance(place);
      if (id !== undefined && glance.id !== id) continue;
      if (model !== undefined && glance.model !== model) continue;
      if (pod !== undefined && glance.pod !== pod && this.#servedAt(place)?.pod !== pod) continue;
      if (reason !== undefined && !glance.reasons.includes(reason)) continue;
      found.push(this.#at(place));
    }
    return this.#told(found);
  }

  *#told(decisions: readonly KeptDecision[]): Generator<DecisionRecord> {
    for (const decision of decisions) yield this.#tell(decision);
  }

  #at(place: number): KeptDecision {
    return this.#objects[place] ?? { ...this.#packed.get(place), served: this.#served[place] };
  }

  #servedAt(place: number): ServedRecord | undefined {
    return this.#objects[place]?.served ?? this.#served[place];
  }

  #glance(place: number): Glance {
    const decision = this.#objects[place];
    return decision === undefined ? this.#packed.glance(place) : glanceAt(decision);
  }

  #dropOldest(): void {
    const place = this.#oldest++ % this.#maxDecisions;
    this.#bytes -= this.#bytesAt[place]!;
    if (this.#objects[place] === undefined) this.#packed.drop(place);
    this.#objects[place] = undefined;
    this.#served[place] = undefined;
  }
}

function glanceAt({ id, model, outcome }: KeptDecision): Glance {
  const routed = outcome.kind === 'routed' ? outcome : undefined;
  const rejected = outcome.kind === 'rejected' ? outcome.error : undefined;
  return { id, model, pod: routed?.pod.name, reasons: [routed?.reason ?? rejected, routed?.withoutTokens] };
}
