import { type Endpoint, endpointOf, type Pod } from '../../domain.ts';

/** What is known of one pod's work, in tokens. */
export interface PodWork {
  /** Of prompts sent there: tokens that its cache did not have and that it has not announced since. */
  readonly queuedTokens: number;
  /** Requests whose prompts it has computed, as far as it has announced, and that have not ended. */
  readonly decoding: number;
}

/** The same of several pods: a number per pod, in their order. */
export interface PodsWork {
  readonly queuedTokens: Float64Array;
  readonly decoding: Uint32Array;
}

/** One request on its way. `ended` may be called any number of times; it counts once. */
export interface WorkLease {
  ended(): void;
}

/** A prompt whose blocks have not all been announced. */
interface Prompt {
  /** Tokens that are still to be computed. */
  left: number;
}

interface Account {
  /** In the order in which they were sent, which is the order in which an engine computes them. */
  readonly prompts: Set<Prompt>;
  queuedTokens: number;
  decoding: number;
}

/**
 * The work of each pod in tokens, from what was routed to it, what its engine has announced since (an engine tells of a prompt's blocks step
 * by step as it computes them, first come, first served), and what has ended. It asks nobody, so it is right at once after a decision.
 *
 * What is announced is taken off the oldest prompt first. A prompt counts as computed when less than a block of it is left: the last,
 * partly filled block is never announced. A single block, where something is decoding, is taken for generated tokens: a prompt of which
 * that was all counts until the next blocks or its end. What is announced beyond the oldest prompt is taken off the next one: one of the two
 * was estimated wrongly, and the sum stays right. Without events nothing is announced, and prompts count until their requests end.
 */
export class TokenWork {
  readonly #accounts = new Map<Endpoint, Account>();

  /** A prompt was sent to this pod, whose cache lacks so many tokens of it. */
  routed(pod: Pod, uncachedTokens: number): WorkLease {
    const account = this.#accountOf(pod);
    const prompt: Prompt = { left: Math.max(1, uncachedTokens) };
    account.prompts.add(prompt);
    account.queuedTokens += prompt.left;
    let open = true;
    return {
      ended: () => {
        if (!open) return;
        open = false;
        if (account.prompts.delete(prompt)) account.queuedTokens -= prompt.left;
        else account.decoding--;
        if (account.prompts.size === 0 && account.decoding === 0) this.#drop(pod, account);
      },
    };
  }

  /** The pod's engine has announced so many blocks, one behind the other, as computed. */
  announced(pod: Pod, blocks: number, blockSizeTokens: number): void {
    const account = this.#accounts.get(endpointOf(pod));
    if (account === undefined || (blocks === 1 && account.decoding > 0)) return;
    let tokens = blocks * blockSizeTokens;
    for (const prompt of account.prompts) {
      const taken = Math.min(tokens, prompt.left);
      tokens -= taken;
      prompt.left -= taken;
      account.queuedTokens -= taken;
      if (prompt.left >= blockSizeTokens) return;
      account.queuedTokens -= prompt.left;
      account.prompts.delete(prompt);
      account.decoding++;
      if (tokens < blockSizeTokens) return;
    }
  }

  of(pod: Pod): PodWork {
    const { queuedTokens, decoding } = this.#accounts.get(endpointOf(pod)) ?? IDLE;
    return { queuedTokens, decoding };
  }

  /** In their order. */
  ofAll(pods: readonly Pod[]): PodsWork {
    const queuedTokens = new Float64Array(pods.length);
    const decoding = new Uint32Array(pods.length);
    for (let i = 0; i < pods.length; i++) {
      const account = this.#accounts.get(endpointOf(pods[i]!));
      if (account === undefined) continue;
      queuedTokens[i] = account.queuedTokens;
      decoding[i] = account.decoding;
    }
    return { queuedTokens, decoding };
  }

  /** Its engine is another process from now on: what is under way there will never be announced. */
  forget(pod: Pod): void {
    this.#accounts.delete(endpointOf(pod));
  }

  #accountOf(pod: Pod): Account {
    const endpoint = endpointOf(pod);
    let account = this.#accounts.get(endpoint);
    if (account === undefined) {
      account = { prompts: new Set(), queuedTokens: 0, decoding: 0 };
      this.#accounts.set(endpoint, account);
    }
    return account;
  }

  /** Unless it has been forgotten meanwhile, and another one has its place. */
  #drop(pod: Pod, account: Account): void {
    const endpoint = endpointOf(pod);
    if (this.#accounts.get(endpoint) === account) this.#accounts.delete(endpoint);
  }
}

const IDLE: PodWork = { queuedTokens: 0, decoding: 0 };
