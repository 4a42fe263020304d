/** The health of all pods: keeps each one's state, and finds out what became of the requests sent to them. */
import { type Endpoint, endpointOf, type Pod } from '../domain.ts';
import { type Clock, monotonicClock } from '../time.ts';
import type { HealthFact, PollFact, SleepFact } from './health-fact.ts';
import { type HealthState, PodHealth } from './pod-health.ts';
import { UsualWaits } from './usual-waits.ts';
import { type Visibility, WatchPlan } from './watch-plan.ts';

export type { PollFact, SleepFact } from './health-fact.ts';
export type { HealthState } from './pod-health.ts';
export type { Visibility } from './watch-plan.ts';

/** The response to a request has begun. */
export interface Answer {
  readonly status: number;
  /** Who answered; undefined where the gateway does not say. */
  readonly servedBy: Endpoint | undefined;
}

/** Whom an answer is from, as far as it is known. */
export type Server =
  | { readonly kind: 'pod'; readonly pod: Pod }
  /** Somebody who is no pod that is known. */
  | { readonly kind: 'stranger'; readonly endpoint: Endpoint };

/** One request on its way to a pod. `ended` may be called any number of times. */
export interface SentRequest {
  /**
   * Returns what is known of the pod that was picked: whether it will hold the prompt (`served`), or has failed; and, if another
   * one answered well, which.
   */
  answered(answer: Answer): Outcome;
  /** The exchange is over, whatever came of it. Returns `lost` if the pod never answered, and that is its fault. */
  ended(): 'over' | 'lost';
}

/** One request on its way to a pod that somebody else picks. */
export interface SentByOthers {
  /** Returns who answered, and whether it has failed; undefined: no pod that is known. At most once. */
  answered(answer: Answer): { readonly pod: Pod; readonly outcome: 'served' | 'failed' } | undefined;
}

export type Outcome =
  | { readonly kind: 'served' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'served_by_other'; readonly other: Pod }
  | { readonly kind: 'served_by_stranger' };

/** One pod has another health than before. */
export interface HealthChange {
  readonly pod: Pod;
  readonly from: HealthState;
  readonly to: HealthState;
  readonly why: string;
}

export interface HealthReport {
  readonly health: HealthState;
  readonly why: string;
  /** How long it has been so. */
  readonly forMs: number;
  /** Requests whose outcome was seen, and those of them that it failed. */
  readonly requestsSeen: number;
  readonly requestsFailed: number;
}

export interface PodsHealthOptions {
  readonly now?: Clock;
  readonly onChange: (change: HealthChange) => void;
  /** A request failed at this pod. */
  readonly onFailure?: (pod: Pod, why: FailureKind) => void;
}

export type FailureKind = 'error_status' | 'served_by_other' | 'served_by_stranger' | 'no_answer';

interface Waiting {
  readonly sentAtMs: number;
  readonly kind: string;
}

interface Known {
  pod: Pod;
  readonly health: PodHealth;
  state: HealthState;
  since: number;
  /** When it last answered anything; requests that nobody watched may have been answered when they ended. */
  answeredAt: number;
  /** Watched requests without an answer: when they were sent. */
  readonly waiting: Set<Waiting>;
  seen: number;
  failed: number;
}

/** How many of the next requests are watched because a pod is new, or something may be wrong. */
const WATCHED_FOR_NEW = 16;
const WATCHED_FOR_SIGN = 16;
/** A client that goes sooner does not say anything about the pod. */
const PATIENCE_MS = 1_000;
/** So many requests that all wait long are silence. */
const SILENT_REQUESTS = 3;
/** What an engine answers that knows no such endpoint. */
const NOT_IMPLEMENTED = 501;

export class PodsHealth {
  readonly #options: PodsHealthOptions;
  readonly #now: Clock;
  readonly #known = new Map<Endpoint, Known>();
  /** What is looked at in every decision, so that it is not all pods. */
  readonly #failing = new Set<Known>();
  readonly #suspects = new Set<Known>();
  #version = 0;
  readonly #plan = new WatchPlan();
  #answeredAt = Number.NEGATIVE_INFINITY;
  #pollAnswered = false;
  /** Some pod has answered at the address that it is known by. */
  #addressesAreShown = false;
  readonly #waits = new UsualWaits();
  #listening: Iterator<Known> | undefined;

  constructor(options: PodsHealthOptions) {
    this.#options = options;
    this.#now = options.now ?? monotonicClock;
  }

  /** Another one whenever some pod's state is another one. */
  get version(): number {
    return this.#version;
  }

  joined(pod: Pod): void {
    const endpoint = endpointOf(pod);
    const health = new PodHealth();
    const now = this.#now();
    this.#known.set(endpoint, {
      ...{ pod, health, state: health.state, since: now, answeredAt: Number.NEGATIVE_INFINITY },
      ...{ waiting: new Set<never>(), seen: 0, failed: 0 },
    });
    this.#plan.watchNext(WATCHED_FOR_NEW);
    this.#version++;
  }

  left(pod: Pod): void {
    const known = this.#known.get(endpointOf(pod));
    // One of another name may have the address by now.
    if (known === undefined || known.pod.name !== pod.name) return;
    this.#known.delete(endpointOf(pod));
    this.#failing.delete(known);
    this.#suspects.delete(known);
    this.#version++;
  }

  stateOf(pod: Pod): HealthState {
    return this.#known.get(endpointOf(pod))?.state ?? 'unknown';
  }

  reportOf(pod: Pod): HealthReport | undefined {
    const known = this.#known.get(endpointOf(pod));
    if (known === undefined) return undefined;
    const { state, health, since, seen, failed } = known;
    const forMs = Math.round(this.#now() - since);
    return { health: state, why: health.why, forMs, requestsSeen: seen, requestsFailed: failed };
  }

  /** Whether the response of the request that is coming in should be looked at. */
  watchNext(): Visibility {
    return this.#plan.decide(() => this.#isSomethingWrong());
  }

  /** What `watchNext` would say, which leaves all as it is. */
  peekNext(): Visibility {
    return this.#plan.peek(() => this.#isSomethingWrong());
  }

  /** A pod is under suspicion, or to be tried. */
  #isSomethingWrong(): boolean {
    if (this.#suspects.size === 0 && this.#failing.size === 0) return false;
    const now = this.#now();
    for (const known of this.#suspects) {
      if (known.health.isSuspect(now)) return true;
      this.#suspects.delete(known);
    }
    for (const { health } of this.#failing) if (health.isTrialDue(now)) return true;
    return false;
  }

  /** A failing pod among these that a request should be sent to, to find out whether it still fails. */
  trialAmong(pods: readonly Pod[]): Pod | undefined {
    if (this.#failing.size === 0) return undefined;
    const now = this.#now();
    for (const { health, pod } of this.#failing) {
      if (!health.isTrialDue(now)) continue;
      const endpoint = endpointOf(pod);
      const found = pods.find(each => endpointOf(each) === endpoint);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** A poll's result, or one about sleep. */
  polled(pod: Pod, fact: PollFact | SleepFact): void {
    const known = this.#known.get(endpointOf(pod));
    if (known === undefined) return;
    const isAnswer = fact.kind !== 'poll_refused' && fact.kind !== 'poll_unanswered';
    this.#pollAnswered ||= isAnswer;
    // Where no pod has ever answered a poll, polls may not get there at all, which says nothing about any pod.
    if (!this.#pollAnswered) return;
    this.#apply(known, fact);
  }

  /** @param kind what requests are compared with that wait for an answer: those of a kind take about as long */
  sent(pod: Pod, visibility: Visibility, kind: string): SentRequest {
    const known = this.#known.get(endpointOf(pod));
    if (known === undefined) return UNKNOWN;
    return visibility === 'watched' ? this.#watched(known, kind) : this.#unwatched(known, kind);
  }

  #watched(known: Known, kind: string): SentRequest {
    const request = { sentAtMs: this.#now(), kind };
    const isTrial = known.state === 'failing';
    known.waiting.add(request);
    if (isTrial) known.health.trialBegan();
    /** Runs once, for the first thing that is heard of the request. */
    const settle = <T>(otherwise: T, first: () => T): T => {
      if (!known.waiting.has(request)) return otherwise;
      const result = first();
      known.waiting.delete(request);
      if (isTrial) known.health.trialEnded();
      return result;
    };
    return {
      answered: answer => settle(SERVED, () => this.#answered(known, request, answer)),
      ended: () => settle('over', () => (this.#unanswered(known, request.sentAtMs) ? 'lost' : 'over')),
    };
  }

  /**
   * A request that may be sent to any pod: who has it is known when that pod answers.
   * @param kind as of `sent`
   */
  sentByOthers(kind: string): SentByOthers {
    const sentAtMs = this.#now();
    return {
      answered: answer => {
        const known = answer.servedBy && this.#known.get(answer.servedBy);
        if (known === undefined) return undefined;
        const { kind: outcome } = this.#answered(known, { sentAtMs, kind }, answer);
        return { pod: known.pod, outcome: outcome === 'failed' ? 'failed' : 'served' };
      },
    };
  }

  /** Most requests: little is made for them. Some gateways show the response all the same. */
  #unwatched(known: Known, kind: string): SentRequest {
    const sentAtMs = this.#now();
    return {
      answered: answer => this.#answered(known, { sentAtMs, kind }, answer),
      ended: () => {
        const now = this.#now();
        known.answeredAt = now;
        // Nobody saw why it was over so soon.
        if (this.#waits.isShort(kind, now - sentAtMs)) this.#plan.watchNext(WATCHED_FOR_SIGN);
        return 'over';
      },
    };
  }

  /**
   * Who has answered in the place of `picked`, or that pod itself. Where no pod has ever answered at its own address, a proxy before the
   * pods may show its own, which says nothing.
   */
  serverOf(picked: Pod, servedBy: Endpoint | undefined): Server {
    if (servedBy === undefined || servedBy === endpointOf(picked)) return { kind: 'pod', pod: picked };
    const known = this.#known.get(servedBy);
    if (known !== undefined) return { kind: 'pod', pod: known.pod };
    return this.#addressesAreShown ? { kind: 'stranger', endpoint: servedBy } : { kind: 'pod', pod: picked };
  }

  #answered(picked: Known, { sentAtMs, kind }: Waiting, { status, servedBy }: Answer): Outcome {
    if (servedBy !== undefined && this.#known.has(servedBy)) this.#addressesAreShown = true;
    const by = this.serverOf(picked.pod, servedBy);
    const isHere = this.#isHere(picked);
    if (by.kind === 'stranger') {
      // Not held against the pod: the stranger may be a proxy before it, of one gateway among several.
      if (isHere) this.#options.onFailure?.(picked.pod, 'served_by_stranger');
      return SERVED_BY_STRANGER;
    }
    const other = by.pod === picked.pod ? undefined : this.#known.get(endpointOf(by.pod));
    if (!isHere && other === undefined) return SERVED;
    const now = this.#now();
    const server = other ?? picked;
    const isError = status >= 500 && status !== NOT_IMPLEMENTED;
    this.#answeredAt = now;
    server.answeredAt = now;
    if (!isError) this.#waits.waited(kind, now - sentAtMs);
    this.#listen(now);
    if (server !== picked && isHere)
      this.#failed(picked, sentAtMs, 'served_by_other', 'another pod had to answer');
    if (isError) {
      this.#failed(server, sentAtMs, 'error_status', `answered ${status}`);
      return FAILED;
    }
    server.seen++;
    this.#apply(server, { kind: 'answered', sentAtMs });
    return server === picked ? SERVED : { kind: 'served_by_other', other: server.pod };
  }

  /**
   * Whether one pod, the next one each time, has fallen silent: an engine that hangs often still says on `/health` that it is
   * well, and clients may wait for minutes.
   */
  #listen(now: number): void {
    let next = this.#listening?.next();
    if (next === undefined || next.done) {
      this.#listening = this.#known.values();
      next = this.#listening.next();
    }
    if (next.done || next.value.waiting.size < SILENT_REQUESTS) return;
    const known = next.value;
    let silent = 0;
    let oldestAt = now;
    for (const { kind, sentAtMs } of known.waiting) {
      if (known.answeredAt >= sentAtMs || !this.#waits.isLong(kind, now - sentAtMs)) continue;
      silent++;
      oldestAt = Math.min(oldestAt, sentAtMs);
    }
    if (silent < SILENT_REQUESTS) return;
    this.#apply(known, { kind: 'unanswered', sentAtMs: oldestAt, waitedMs: now - oldestAt, silent });
  }

  #failed(known: Known, sentAtMs: number, kind: FailureKind, what: string): void {
    known.seen++;
    known.failed++;
    this.#options.onFailure?.(known.pod, kind);
    this.#plan.watchNext(WATCHED_FOR_SIGN);
    this.#apply(known, { kind: 'failed', sentAtMs, what });
  }

  /**
   * Whether this is the pod's fault: the client waited for some time, in which this pod answered nobody and others did. Where
   * nobody's answers are seen, the gateway does not show them.
   */
  #unanswered(known: Known, sentAtMs: number): boolean {
    if (!this.#isHere(known)) return false;
    const waitedMs = this.#now() - sentAtMs;
    if (waitedMs < PATIENCE_MS || this.#answeredAt < sentAtMs) return false;
    this.#plan.watchNext(WATCHED_FOR_SIGN);
    if (known.answeredAt >= sentAtMs) return false;
    let silent = 0;
    for (const waiting of known.waiting) if (waiting.sentAtMs <= sentAtMs + waitedMs / 2) silent++;
    known.seen++;
    known.failed++;
    this.#options.onFailure?.(known.pod, 'no_answer');
    this.#apply(known, { kind: 'unanswered', sentAtMs, waitedMs, silent });
    return true;
  }

  /** It may have left meanwhile, and its address be another's. */
  #isHere(known: Known): boolean {
    return this.#known.get(endpointOf(known.pod)) === known;
  }

  #apply(known: Known, fact: HealthFact): void {
    const { health, state: from, pod } = known;
    const now = this.#now();
    const isSeen = this.#answeredAt > Number.NEGATIVE_INFINITY;
    health.apply(fact, now, isSeen ? 'seen' : 'unseen');
    const { state: to } = health;
    if (health.isSuspect(now)) this.#suspects.add(known);
    if (to === from) return;
    known.state = to;
    known.since = now;
    if (to === 'failing') this.#failing.add(known);
    else this.#failing.delete(known);
    this.#version++;
    this.#options.onChange({ pod, from, to, why: health.why });
  }
}

const SERVED: Outcome = { kind: 'served' };
const FAILED: Outcome = { kind: 'failed' };
const SERVED_BY_STRANGER: Outcome = { kind: 'served_by_stranger' };

/** The pod has left meanwhile. */
const UNKNOWN: SentRequest = { answered: () => SERVED, ended: () => 'over' };
