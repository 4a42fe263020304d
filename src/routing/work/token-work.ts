import { type Endpoint, type EngineLoad, endpointOf, type Pod } from '../../domain.ts';
import type { Clock } from '../../time.ts';
import { PrefillRate } from './prefill-rate.ts';
import { ratesByKind } from './rates-by-kind.ts';

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
  readonly decoding: Uint32Array;
  /** Tokens per millisecond, above 0; see `ratesByKind`. */
  readonly prefillRate: Float64Array;
  /** The mean of these. */
  readonly meanRate: number;
  /** Tokens to be computed of a prompt that was routed lately, on average; 0: none was. */
  readonly meanPromptTokens: number;
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
  /** When the step that the engine is at began, and what was queued then: it computes no more than that. */
  stepBeganMs: number;
  stepTokens: number;
  decoding: number;
  /** Requests of others that waited there when its engine was last asked. */
  othersWaiting: number;
}

/** What a list of pods was last told, and whose accounts these are. */
interface Listed extends Pick<PodsWork, 'queuedTokens' | 'decoding'> {
  readonly accounts: readonly Account[];
  readonly version: number;
  prefillRate: Float64Array;
  meanRate: number;
  /** When the rates were looked at. */
  ratesAtMs: number;
}

/** They change slowly, and comparing all of them takes longer than all else. */
const RATES_FOR_MS = 1_000;
/** Of one step of an engine's scheduler: vLLM's default on large GPUs. */
const STEP_TOKENS = 8_192;
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
    const nowMs = this.#now();
    let tokens = blocks * blockSizeTokens;
    account.rate.computed(tokens, oldest.sentAtMs, nowMs);
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
    account.stepBeganMs = nowMs;
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
    return { queuedTokens: this.#queuedAt(account, this.#now()), decoding, prefillRate: rate.tokensPerMs };
  }

  /** In their order. Valid until the next call for the same list. */
  ofAll(pods: readonly Pod[]): PodsWork {
    const nowMs = this.#now();
    let listed = this.#ofPods.get(pods);
    if (listed?.version !== this.#version) {
      listed = this.#list(pods);
      this.#ofPods.set(pods, listed);
    }
    const { accounts, queuedTokens, decoding } = listed;
    if (nowMs - listed.ratesAtMs >= RATES_FOR_MS) {
      listed.prefillRate = ratesByKind(accounts.map(({ rate }) => rate.tokensPerMs));
      listed.meanRate = listed.prefillRate.reduce((sum, rate) => sum + rate, 0) / accounts.length;
      listed.ratesAtMs = nowMs;
    }
    for (let i = 0; i < accounts.length; i++) {
      const account = accounts[i]!;
      queuedTokens[i] = this.#queuedAt(account, nowMs);
      decoding[i] = account.decoding;
    }
    const { prefillRate, meanRate } = listed;
    return { queuedTokens, decoding, prefillRate, meanRate, meanPromptTokens: this.#meanTokens };
  }

  #list(pods: readonly Pod[]): Listed {
    return {
      accounts: pods.map(pod => this.#accountOf(pod)),
      version: this.#version,
      queuedTokens: new Float64Array(pods.length),
      decoding: new Uint32Array(pods.length),
      prefillRate: NO_RATES,
      meanRate: 0,
      ratesAtMs: Number.NEGATIVE_INFINITY,
    };
  }

  /** The pod is gone, or its engine is another process from now on: what is under way there will never be announced. */
  forget(pod: Pod): void {
    if (this.#accounts.delete(endpointOf(pod))) this.#version++;
  }

  #queuedAt(account: Account, nowMs: number): number {
    const { queuedTokens, othersWaiting } = account;
    if (queuedTokens === 0) return othersWaiting * this.#meanTokens;
    return queuedTokens - computedSince(account, nowMs) + othersWaiting * this.#meanTokens;
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

/** Of the step that the engine is at, of which it has not told yet: as much as it does in the time, of what was there when the step began. */
function computedSince({ rate, queuedTokens, stepBeganMs, stepTokens }: Account, nowMs: number): number {
  const { tokensPerMs } = rate;
  if (tokensPerMs === undefined) return 0;
  return Math.min(queuedTokens, stepTokens, STEP_TOKENS, tokensPerMs * (nowMs - stepBeganMs));
}

const NO_RATES = new Float64Array(0);
const IDLE: PodWork = { queuedTokens: 0, decoding: 0, prefillRate: undefined };
