/** Sends a prompt and watches for its blocks among the events, as the router would find them. */
import type { Pod, Tokens } from '../../domain.ts';
import { printable } from '../../printable.ts';
import type { PrefixLookup } from '../../routing/prefix-lookup.ts';
import { deadlineAfter, monotonicClock } from '../../time.ts';
import type { Asked } from '../asking.ts';
import type { PromptFacts, RankFacts, TokensAnswer } from './pod-facts.ts';
import type { ProbePrompt } from './probe-prompt.ts';
import type { RankListener } from './rank-listener.ts';

export interface PromptWatchOptions {
  readonly pod: Pod;
  readonly lookup: PrefixLookup;
  /** One for each rank. */
  readonly listeners: readonly RankListener[];
  /** How long after an answer its events are waited for. */
  readonly eventsMs: number;
}

const TOO_LATE = new Error('nothing more has come in time');
const UNAUTHORIZED: ReadonlySet<number> = new Set([401, 403]);
/** What says that the endpoint, and not the prompt, is the reason. */
const NOT_SERVED: ReadonlySet<number> = new Set([404, 405, 501]);

export class PromptWatch {
  readonly #options: PromptWatchOptions;
  #news = Promise.withResolvers<void>();

  constructor(options: PromptWatchOptions) {
    this.#options = options;
  }

  /** To some rank at least. */
  get isConnected(): boolean {
    return this.#options.listeners.some(({ isConnected }) => isConnected);
  }

  /** Something has come. */
  ring(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** Waits until it is known of each rank whether there is a connection. */
  async settled(ms: number, signal: AbortSignal): Promise<void> {
    await this.#until(() => this.#options.listeners.every(({ isSettled }) => isSettled), ms, signal);
  }

  /** Waits until each rank has published something, for as long as events are waited for. */
  async heard(signal: AbortSignal): Promise<void> {
    const { listeners, eventsMs } = this.#options;
    await this.#until(() => listeners.every(({ batches }) => batches > 0), eventsMs, signal);
  }

  /** With a replay of each. */
  facts(signal: AbortSignal): Promise<RankFacts[]> {
    return Promise.all(this.#options.listeners.map(async each => each.facts(await each.replay(signal))));
  }

  stop(): void {
    for (const listener of this.#options.listeners) listener.stop();
  }

  /** Waits until it holds, looking whenever something has come. */
  async #until(holds: () => boolean, ms: number, signal: AbortSignal): Promise<void> {
    const deadline = deadlineAfter(ms, signal, TOO_LATE);
    try {
      while (!holds()) await deadline.race(this.#news.promise);
    } catch {
      // It does not hold in time.
    } finally {
      deadline.clear();
    }
  }

  async send(
    { path, body }: ProbePrompt,
    { outcome: tokens }: TokensAnswer,
    post: () => Promise<Asked>,
    signal: AbortSignal,
  ): Promise<PromptFacts> {
    if (tokens.kind === 'none')
      return { path, outcome: { kind: 'not_comparable', why: `it has no tokens (${tokens.why})` } };
    const before = this.#batches();
    const answer = await post();
    const answeredAt = monotonicClock();
    const refused = refusal(answer);
    if (refused !== undefined) return { path, outcome: refused };
    const salt = String(body.cache_salt ?? '');
    let found = this.#find(tokens.ids, salt);
    await this.#until(
      () => {
        found = this.#find(tokens.ids, salt);
        return found !== undefined;
      },
      this.#options.eventsMs,
      signal,
    );
    const waitedMs = Math.round(monotonicClock() - answeredAt);
    if (found !== undefined)
      return { path, outcome: { kind: 'found', tokens: tokens.ids.length, ...found, afterMs: waitedMs } };
    for (const { chains, applied } of this.#options.listeners) {
      const parting = chains.compare(tokens.ids);
      if (parting === 'unannounced') continue;
      return {
        path,
        outcome: parting ? { kind: 'differs', ...parting } : { kind: 'not_understood', what: applied },
      };
    }
    return { path, outcome: { kind: 'unannounced', batches: this.#batches() - before, waitedMs } };
  }

  #batches(): number {
    return this.#options.listeners.reduce((sum, { batches }) => sum + batches, 0);
  }

  /** undefined: not all of its blocks are found. Engines that do not name a salt in their events announce the blocks without one. */
  #find(ids: Uint32Array, salt: string) {
    const { pod, lookup } = this.#options;
    const tokens: Tokens = { space: 'engine', ids };
    for (const each of [salt, '']) {
      const found = lookup(tokens, { model: pod.model, adapter: undefined, salt: each }, [pod]);
      const [blocks, total] = [found.matchedBlocks[0]!, found.totalBlocks[0]!];
      // The last one is not cached where the engine leaves it out, nor where its lookahead ends beyond the prompt.
      if (blocks === 0 || blocks < total - 1) continue;
      const blockSizeTokens = found.chainsFor(pod)[0]?.blockSizeTokens ?? 0;
      return { blocks, blockSizeTokens, rank: found.rankOf(0) ?? 0 };
    }
    return undefined;
  }
}

function refusal(answer: Asked): Exclude<PromptFacts['outcome'], { kind: 'found' }> | undefined {
  if (answer.kind !== 'answered') return { kind: 'refused', why: answer.reason };
  const { status, text } = answer;
  if (status === 200) return undefined;
  if (UNAUTHORIZED.has(status)) return { kind: 'not_comparable', why: `it wants a key (${status})` };
  if (NOT_SERVED.has(status)) return { kind: 'not_comparable', why: `it is not served (${status})` };
  return { kind: 'refused', why: `it is answered ${status}: ${printable(text, 160)}` };
}
