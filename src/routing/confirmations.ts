/**
 * Compares what was predicted with what engines say: a prompt that a pod has computed should show up among the blocks that it
 * announces. Where it does not, we tokenize or hash otherwise than the engine does, or its events do not come.
 *
 * A sample of the routed prompts is kept from the decision until `GRACE_MS` after the exchange: of each, the hashes up to the
 * first block that its pod had not announced yet. Nothing runs by itself: prompts whose time is over are judged when the next one
 * comes, or when somebody asks. Times are milliseconds of a monotonic clock.
 */

import type { ContextCatalog } from '../cache/context-catalog.ts';
import type { Holders } from '../cache/holders.ts';
import type { BlockChain, BlockLanes, HolderId, Pod } from '../domain.ts';
import type { PrefixIndex } from '../prefix-index/prefix-index.ts';
import type { Clock } from '../time.ts';
import { RecentShare } from './recent-share.ts';

export type Verdict = 'confirmed' | 'unconfirmed';

/** One prompt's verdict. `endpoint` is the request's path. */
export interface Confirmation {
  readonly pod: Pod;
  readonly model: string;
  readonly endpoint: string;
  readonly verdict: Verdict;
}

/**
 * Too many of the last prompts of one model and endpoint are unconfirmed, or no longer. `pod`: only this one's are, whatever the
 * model and endpoint; undefined: it is not one pod alone.
 */
export interface Doubt {
  readonly kind: 'doubted' | 'confirmed_again';
  readonly pod: Pod | undefined;
  readonly model: string;
  readonly endpoint: string;
  readonly unconfirmed: number;
  readonly of: number;
}

export interface ConfirmationsOptions {
  readonly index: Pick<PrefixIndex, 'find'>;
  readonly holders: Pick<Holders, 'of' | 'get'>;
  readonly catalog: Pick<ContextCatalog, 'shows' | 'showsAny'>;
  /** Whether this pod's events should reach us. */
  readonly isFollowed: (pod: Pod) => boolean;
  readonly now: Clock;
  readonly onConfirmation: (confirmation: Confirmation) => void;
  readonly onDoubt: (doubt: Doubt) => void;
}

export interface ConfirmationCounts {
  readonly confirmed: number;
  readonly unconfirmed: number;
}

/** One prompt on its way. Both may be called any number of times. */
export interface Predicted {
  /** Its pod has answered it well. */
  answered(): void;
  /** The exchange is over. */
  ended(): void;
}

/**
 * How long after the exchange it is looked again for the announcement, and how long it may take: events take milliseconds, a replay after
 * a loss some more. Not at the end alone, as a small cache may have evicted the blocks by then.
 */
const SOON_MS = 50;
const GRACE_MS = 2_000;
/** Prompts that are kept. */
const MAX_PENDING = 512;
/** Hashes that are kept of one prompt; those of which more is announced already are not judged. */
const MAX_BLOCKS = 2_048;
/** Pairs of model and endpoint that are counted each; further ones are not judged. */
const MAX_SUBJECTS = 1_024;
/** Between two prompts of one model and endpoint: a hundred a second tell as much as thousands. */
const SPACING_MS = 10;

interface Subject {
  readonly recent: RecentShare;
  lastAt: number;
}

interface OfPod {
  readonly recent: RecentShare;
  /** It was said that this pod alone is in doubt. */
  isDoubted: boolean;
  confirmed: number;
  unconfirmed: number;
}

interface Pending {
  readonly pod: Pod;
  readonly model: string;
  readonly endpoint: string;
  /** Up to the first block that was new to the pod, and with it. */
  readonly chain: BlockChain;
  state: 'sent' | 'answered' | 'ended' | 'over';
  /** Since its exchange ended. */
  endedAt: number;
}

export class Confirmations {
  readonly #options: ConfirmationsOptions;
  /** Model → endpoint → what is known of the two. */
  readonly #subjects = new Map<string, Map<string, Subject>>();
  #subjectCount = 0;
  readonly #pods = new Map<string, OfPod>();
  /** Of pods whose streams are broken off: those of which ranks. */
  readonly #broken = new Map<string, Set<number>>();
  readonly #pending = new Set<Pending>();
  /** Exchanges that are over, in that order: those that are to be looked at soon, and those that have been. */
  readonly #ended = new Set<Pending>();
  readonly #late = new Set<Pending>();

  constructor(options: ConfirmationsOptions) {
    this.#options = options;
  }

  /**
   * A prompt is sent to a pod. Call it before anything of the prompt is expected there.
   * @param chains of its full blocks as the pod names them; one, where the pod's block size is known
   * @returns undefined: it is not judged
   */
  predict(
    pod: Pod,
    model: string,
    endpoint: string,
    chains: () => readonly BlockChain[],
  ): Predicted | undefined {
    this.settle();
    if (this.#pending.size >= MAX_PENDING || this.#broken.has(pod.name)) return undefined;
    if (!this.#options.isFollowed(pod)) return undefined;
    const subject = this.#subjectOf(model, endpoint);
    const now = this.#options.now();
    if (subject === undefined || now - subject.lastAt < SPACING_MS) return undefined;
    const [chain, ...others] = chains();
    if (chain === undefined || others.length > 0) return undefined;
    const length = this.#announced(pod, chain) + 1;
    if (length > Math.min(chain.length, MAX_BLOCKS)) return undefined;

    subject.lastAt = now;
    const { blockSizeTokens, lanes } = chain;
    const pending: Pending = {
      ...{ pod, model, endpoint, state: 'sent', endedAt: 0 },
      // A copy: what it is cut from may be a hundred times longer.
      chain: { blockSizeTokens, length, lanes: lanes.slice(0, 2 * length) as BlockLanes },
    };
    this.#pending.add(pending);
    return {
      answered: () => {
        if (pending.state === 'sent') pending.state = 'answered';
      },
      ended: () => this.#exchangeEnded(pending),
    };
  }

  /** Judges what is due. */
  settle(): void {
    const now = this.#options.now();
    for (const pending of this.#ended) {
      if (pending.endedAt > now - SOON_MS) break;
      this.#ended.delete(pending);
      if (this.#isAnnounced(pending)) this.#judge(pending, 'confirmed');
      else this.#late.add(pending);
    }
    for (const pending of this.#late) {
      if (pending.endedAt > now - GRACE_MS) break;
      if (this.#isAnnounced(pending)) this.#judge(pending, 'confirmed');
      else if (this.#wasCutOtherwise(pending)) this.#end(pending);
      else this.#judge(pending, 'unconfirmed');
    }
  }

  /** The pod's event stream broke, or its cache was emptied: what was sent there may have been announced and is unknown again. */
  interrupted(pod: string): void {
    for (const pending of this.#pending) if (pending.pod.name === pod) this.#end(pending);
  }

  /** The connection to a rank's publisher was lost: until it is there again, nothing is judged. One that never was is another matter. */
  broke(pod: string, rank: number): void {
    this.interrupted(pod);
    this.#broken.set(pod, (this.#broken.get(pod) ?? new Set()).add(rank));
  }

  resumed(pod: string, rank: number): void {
    const ranks = this.#broken.get(pod);
    ranks?.delete(rank);
    if (ranks?.size === 0) this.#broken.delete(pod);
  }

  left(pod: Pod): void {
    this.interrupted(pod.name);
    this.#broken.delete(pod.name);
    this.#pods.delete(pod.name);
  }

  /** Models that are served no more are forgotten. */
  retain(isServed: (model: string) => boolean): void {
    for (const [model, endpoints] of this.#subjects) {
      if (isServed(model)) continue;
      this.#subjects.delete(model);
      this.#subjectCount -= endpoints.size;
    }
  }

  countsOf(pod: string): ConfirmationCounts {
    this.settle();
    const { confirmed = 0, unconfirmed = 0 } = this.#pods.get(pod) ?? {};
    return { confirmed, unconfirmed };
  }

  #exchangeEnded(pending: Pending): void {
    if (pending.state === 'sent') this.#end(pending);
    if (pending.state !== 'answered') return;
    if (this.#isAnnounced(pending)) {
      this.#judge(pending, 'confirmed');
      return;
    }
    pending.state = 'ended';
    pending.endedAt = this.#options.now();
    this.#ended.add(pending);
  }

  #isAnnounced({ pod, chain }: Pending): boolean {
    return this.#announced(pod, chain) === chain.length;
  }

  /** How many of these blocks the pod has announced, whichever rank and tier has them. */
  #announced(pod: Pod, chain: BlockChain): number {
    const { index, holders } = this.#options;
    const found = index.find(chain);
    return Math.max(
      0,
      ...holders
        .of(pod.name)
        .filter(this.#isAnnouncer)
        .map(id => found.depthOf(id)),
    );
  }

  /** In blocks of a size that was not known yet to be another one: the first prompts of a model. */
  #wasCutOtherwise({ pod, chain }: Pending): boolean {
    const { catalog, holders } = this.#options;
    const all = holders.of(pod.name);
    return all.some(id => catalog.showsAny(id)) && !all.some(id => catalog.shows(id, chain.blockSizeTokens));
  }

  readonly #isAnnouncer = (id: HolderId): boolean => {
    const kind = this.#options.holders.get(id)?.part.kind;
    return kind === 'gpu' || kind === 'anywhere';
  };

  #judge(pending: Pending, verdict: Verdict): void {
    this.#end(pending);
    const { pod, model, endpoint } = pending;
    this.#options.onConfirmation({ pod, model, endpoint, verdict });
    const ofPod = this.#podOf(pod.name);
    ofPod[verdict]++;
    const subject = this.#subjectOf(model, endpoint);
    const said = subject?.recent.note(verdict === 'unconfirmed');
    if (said !== undefined) this.#say(said, undefined, pending, subject!.recent);
    if (said === 'exceeded') this.#forgetUndoubted();
    // What an endpoint is in doubt for is held against no single pod.
    if (subject?.recent.isExceeded && !ofPod.isDoubted) return;
    const saidOfPod = ofPod.recent.note(verdict === 'unconfirmed');
    if (saidOfPod === undefined) return;
    ofPod.isDoubted = saidOfPod === 'exceeded';
    this.#say(saidOfPod, pod, pending, ofPod.recent);
  }

  /** What was held against pods until an endpoint came into doubt may be the endpoint's. */
  #forgetUndoubted(): void {
    for (const { recent, isDoubted } of this.#pods.values()) if (!isDoubted) recent.clear();
  }

  #say(
    said: 'exceeded' | 'fine_again',
    pod: Pod | undefined,
    { model, endpoint }: Pending,
    { hits, size }: RecentShare,
  ): void {
    const kind = said === 'exceeded' ? 'doubted' : 'confirmed_again';
    this.#options.onDoubt({ kind, pod, model, endpoint, unconfirmed: hits, of: size });
  }

  #end(pending: Pending): void {
    pending.state = 'over';
    this.#pending.delete(pending);
    this.#ended.delete(pending);
    this.#late.delete(pending);
  }

  #podOf(name: string): OfPod {
    let known = this.#pods.get(name);
    if (known === undefined) {
      known = { recent: new RecentShare(), isDoubted: false, confirmed: 0, unconfirmed: 0 };
      this.#pods.set(name, known);
    }
    return known;
  }

  #subjectOf(model: string, endpoint: string): Subject | undefined {
    const known = this.#subjects.get(model)?.get(endpoint);
    if (known !== undefined || this.#subjectCount >= MAX_SUBJECTS) return known;
    const subject = { recent: new RecentShare(), lastAt: Number.NEGATIVE_INFINITY };
    const ofModel = this.#subjects.get(model) ?? new Map<string, Subject>();
    this.#subjects.set(model, ofModel.set(endpoint, subject));
    this.#subjectCount++;
    return subject;
  }
}
