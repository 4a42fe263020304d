import { type Endpoint, type EngineLoad, endpointOf, type Pod } from '../../domain.ts';
import type { Clock } from '../../time.ts';
import { PrefillRate } from './prefill-rate.ts';

/** What is known of one pod's work, in tokens. */
export interface PodWork {
  /** Of prompts sent there: tokens that its cache did not have and that it has not announced since; and what others have sent there. */
  readonly queuedTokens: number;
  /** Requests whose prompts it has computed, as far as it has announced, and that have not ended. */
  readonly decoding: number;
  /** Prompt tokens that it computes in a millisecond, as learned; undefined: not known yet. */
  readonly prefillRate: number | undefined;
}

/** The same of several pods: a number per pod, in their order. */
export interface PodsWork {
  readonly queuedTokens: Float64Array;
  /** Of the queued tokens those that are not yet computed, as far as the learned rate tells: a step is announced when it is over. */
  readonly waitingTokens: Float64Array;
  readonly decoding: Uint32Array;
  /** Tokens per millisecond; of a pod that is not known yet the mean of those that are. */
  readonly prefillRate: Float64Array;
}

/** One request on its way. `ended` may be called any number of times; it counts once. */
export interface WorkLease {
  ended(): void;
}

/** A prompt whose blocks have not all been announced. */
interface Prompt {
  readonly sentAtMs: number;
  /** Tokens that are still to be computed. */
  left: number;
}

interface Account {
  /** In the order in which they were sent, which is the order in which an engine computes them. */
  readonly prompts: Set<Prompt>;
  readonly rate: PrefillRate;
  queuedTokens: number;
  /** When the step that is running began, and what was queued then: it computes no more than that. */
  stepBeganMs: number;
  stepTokens: number;
  decoding: number;
  /** Requests of others that waited there when its engine was last asked. */
  othersWaiting: number;
}

/** What a list of pods was last told, and whose accounts these are. */
interface Listed {
  readonly work: PodsWork;
  readonly accounts: readonly Account[];
  readonly version: number;
}

/** Before anything is known, tokens per millisecond: a 70B model on four H100 does 13 (vLLM 0.8.4). Only the ratio of pods is compared until then. */
const UNKNOWN_RATE = 10;
/** That the mean is over. */
const RECENT_REQUESTS = 100;

/**
 * The work of each pod in tokens, from what was routed to it, what its engine has announced since (an engine tells of a prompt's blocks step
 * by step as it computes them, first come, first served), and what has ended. It asks nobody, so it is right at once after a decision.
 *
 * What is announced is taken off the oldest prompt first. A prompt counts as computed when less than a block of it is left: the last,
 * partly filled block is never announced. A single block, where something is decoding, is taken for generated tokens: a prompt of which
 * that was all counts until the next blocks or its end. What is announced beyond the oldest prompt is taken off the next one: one of the two
 * was estimated wrongly, and the sum stays right. Without events nothing is announced, prompts count until their requests end, and no rate
 * is learned.
 */
export class TokenWork {
  readonly #now: Clock;
  readonly #accounts = new Map<Endpoint, Account>();
  /** By list of pods: the registry gives the same one until something changes. */
  readonly #ofPods = new WeakMap<readonly Pod[], Listed>();
  /** Another one when an account is gone. */
  #version = 0;
  /** Of the requests that were routed lately, tokens to be computed. */
  #meanTokens = 0;
  #routed = 0;

  constructor(now: Clock) {
    this.#now = now;
  }

  /** A prompt was sent to this pod, whose cache lacks so many tokens of it. */
  routed(pod: Pod, uncachedTokens: number): WorkLease {
    const account = this.#accountOf(pod);
    const prompt: Prompt = { sentAtMs: this.#now(), left: Math.max(1, uncachedTokens) };
    if (account.prompts.size === 0) {
      account.stepBeganMs = prompt.sentAtMs;
      account.stepTokens = prompt.left;
    }
    account.prompts.add(prompt);
    this.#routed = Math.min(this.#routed + 1, RECENT_REQUESTS);
    this.#meanTokens += (prompt.left - this.#meanTokens) / this.#routed;
    account.queuedTokens += prompt.left;
    let open = true;
    return {
      ended: () => {
        if (!open) return;
        open = false;
        if (account.prompts.delete(prompt)) account.queuedTokens -= prompt.left;
        else account.decoding--;
      },
    };
  }

  /** The pod's engine has announced so many blocks, one behind the other, as computed. */
  announced(pod: Pod, blocks: number, blockSizeTokens: number): void {
    const account = this.#accounts.get(endpointOf(pod));
    if (account === undefined || (blocks === 1 && account.decoding > 0)) return;
    const [oldest] = account.prompts;
    if (oldest === undefined) return;
    const now = this.#now();
    let tokens = blocks * blockSizeTokens;
    account.rate.computed(tokens, oldest.sentAtMs, now);
    for (const prompt of account.prompts) {
      const taken = Math.min(tokens, prompt.left);
      tokens -= taken;
      prompt.left -= taken;
      account.queuedTokens -= taken;
      if (prompt.left >= blockSizeTokens) break;
      account.queuedTokens -= prompt.left;
      account.prompts.delete(prompt);
      account.decoding++;
      if (tokens < blockSizeTokens) break;
    }
    account.stepBeganMs = now;
    account.stepTokens = account.queuedTokens;
  }

  /**
   * What its engine says of its requests. Those beyond the ones from here are of other routers, or of clients that go past them; the
   * ones that wait are taken for as long as those that are routed here. unknown: it has none, as far as is known.
   */
  heard(pod: Pod, load: EngineLoad): void {
    const account = this.#accountOf(pod);
    const { prompts, decoding } = account;
    const others = load.kind === 'known' ? load.running + load.waiting - prompts.size - decoding : 0;
    account.othersWaiting = load.kind === 'known' ? Math.min(load.waiting, Math.max(0, others)) : 0;
  }

  of(pod: Pod): PodWork {
    const account = this.#accounts.get(endpointOf(pod));
    if (account === undefined) return IDLE;
    const { decoding, rate } = account;
    return { queuedTokens: this.#queuedAt(account), decoding, prefillRate: rate.tokensPerMs };
  }

  /** In their order. Valid until the next call for the same list. */
  ofAll(pods: readonly Pod[]): PodsWork {
    let listed = this.#ofPods.get(pods);
    if (listed?.version !== this.#version) {
      listed = {
        accounts: pods.map(pod => this.#accountOf(pod)),
        version: this.#version,
        work: {
          queuedTokens: new Float64Array(pods.length),
          waitingTokens: new Float64Array(pods.length),
          decoding: new Uint32Array(pods.length),
          prefillRate: new Float64Array(pods.length),
        },
      };
      this.#ofPods.set(pods, listed);
    }
    const { accounts, work } = listed;
    const { queuedTokens, waitingTokens, decoding, prefillRate } = work;
    const now = this.#now();
    let known = 0;
    let sum = 0;
    for (let i = 0; i < accounts.length; i++) {
      const account = accounts[i]!;
      const queued = this.#queuedAt(account);
      const rate = account.rate.tokensPerMs;
      queuedTokens[i] = queued;
      waitingTokens[i] = queued - computedInStep(account, rate, now);
      decoding[i] = account.decoding;
      prefillRate[i] = rate ?? 0;
      if (rate === undefined) continue;
      known++;
      sum += rate;
    }
    if (known === accounts.length) return work;
    const unknownRate = known === 0 ? UNKNOWN_RATE : sum / known;
    for (let i = 0; i < accounts.length; i++) if (prefillRate[i] === 0) prefillRate[i] = unknownRate;
    return work;
  }

  /** The pod is gone, or its engine is another process from now on: what is under way there will never be announced. */
  forget(pod: Pod): void {
    if (this.#accounts.delete(endpointOf(pod))) this.#version++;
  }

  #queuedAt({ queuedTokens, othersWaiting }: Account): number {
    return queuedTokens + othersWaiting * this.#meanTokens;
  }

  #accountOf(pod: Pod): Account {
    const endpoint = endpointOf(pod);
    let account = this.#accounts.get(endpoint);
    if (account === undefined) {
      account = {
        ...{ prompts: new Set<Prompt>(), rate: new PrefillRate() },
        ...{ queuedTokens: 0, stepBeganMs: 0, stepTokens: 0, decoding: 0, othersWaiting: 0 },
      };
      this.#accounts.set(endpoint, account);
    }
    return account;
  }
}

/** What the running step has computed and its engine has not announced, in tokens, as fast as it is known to be. */
function computedInStep(
  { queuedTokens, stepBeganMs, stepTokens }: Account,
  rate: number | undefined,
  nowMs: number,
): number {
  if (queuedTokens === 0 || rate === undefined) return 0;
  return Math.min(queuedTokens, stepTokens, rate * (nowMs - stepBeganMs));
}

const IDLE: PodWork = { queuedTokens: 0, decoding: 0, prefillRate: undefined };
