/**
 * Holds what the index claims against what engines hold and held.
 *
 * At any time: what is claimed for a holder is what its engine held after the batch that the feed applied last, all of it if
 * the publisher is `live`, some of it otherwise. Nothing at all, if none was applied since the feed last forgot.
 *
 * What is claimed but no longer held is allowed on the way of an undisturbed message, which nobody can shorten, and in a
 * repair window: from the first message that does not arrive in its time, or the end of a process or a connection, to
 * the moment when the feed has applied what came after it and says `live`, or `cold` if the rest can no longer be known.
 */

import type { CacheState } from '../../src/cache/cache-state.ts';
import type { BlockHash } from '../../src/domain.ts';
import type { EventFeed, FeedFact, PublisherReport } from '../../src/events/event-feed.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { holdsBlock } from './blocks.ts';
import { type ChaosEngine, chainOfPrompt, PastCache, type Position, type Prompt } from './chaos-engine.ts';
import { engineHash } from './kv-events.ts';

interface Followed {
  readonly engine: ChaosEngine;
  readonly past: PastCache;
  /** Of the last batch that was applied since the feed forgot. */
  position: Position | undefined;
  window: Window | undefined;
}

interface Window {
  readonly openedAtMs: number;
  readonly openedAtBatch: number;
  /** It cannot be over before this was applied. */
  until: Position | undefined;
}

const MOST_TOLD = 10;

export class ChaosChecker {
  readonly counts = {
    blocksCompared: 0,
    pastBlocksCompared: 0,
    samples: 0,
    probes: 0,
    staleInWindow: 0,
    staleOnTheWay: 0,
    mostOnTheWay: 0,
    windows: 0,
    longestWindowMessages: 0,
    longestWindowMs: 0,
    comparedLive: 0,
    comparedCold: 0,
    lackingWhenCold: 0,
    divergences: 0,
  };
  /** The first few. */
  readonly divergences: string[] = [];
  readonly #cache: CacheState;
  readonly #feed: () => EventFeed;
  readonly #followed = new Map<string, Followed>();

  constructor(engines: readonly ChaosEngine[], cache: CacheState, feed: () => EventFeed) {
    this.#cache = cache;
    this.#feed = feed;
    for (const engine of engines) {
      const past = new PastCache(engine);
      this.#followed.set(engine.options.name, { engine, past, position: undefined, window: undefined });
    }
  }

  hear(fact: FeedFact): void {
    const followed = this.#followed.get(fact.pod)!;
    if (fact.kind === 'forgotten') followed.position = undefined;
    if (fact.kind === 'batch') {
      followed.position = followed.engine.positionAt(fact.at);
      if (followed.position?.sequence !== fact.sequence) this.#diverged(`${fact.pod}: an unknown batch`);
    }
    if (fact.kind === 'state' && fact.state !== 'live') this.disturb(followed.engine, followed.engine.last);
  }

  /** The pod was left: its holder is new. */
  left(engine: ChaosEngine): void {
    this.#of(engine).position = undefined;
    this.disturb(engine, engine.last);
  }

  /** Opens a window with this batch, or makes one longer. */
  disturb(engine: ChaosEngine, until: Position | undefined): void {
    const followed = this.#of(engine);
    const { window } = followed;
    if (window === undefined) {
      this.counts.windows++;
      const openedAtBatch = engine.batches - this.#onTheWay(engine, until);
      followed.window = { openedAtMs: performance.now(), openedAtBatch, until };
    } else if (until !== undefined && (window.until === undefined || isBefore(window.until, until))) {
      window.until = until;
    }
  }

  /** What the feed says of an engine, and whether that is all that it will ever know. */
  isSettled(engine: ChaosEngine): boolean {
    const { position } = this.#of(engine);
    return same(position, engine.last) && this.#isFinal(engine, this.#report(engine));
  }

  /** What the index claims against what the feed has been told, for every block; and windows that are over end. */
  sample(): void {
    this.counts.samples++;
    let claimed = 0;
    for (const followed of this.#followed.values()) {
      const { engine, position, past } = followed;
      const report = this.#report(engine);
      this.#endWindow(followed, report);
      if (report === undefined) continue;
      const held = position === undefined ? undefined : past.after(position);
      let common = 0;
      for (const hash of held ?? []) if (this.#claims(engine, hash)) common++;
      this.counts.pastBlocksCompared += held?.size ?? 0;
      claimed += report.blocks;
      const where = `${engine.options.name}, ${report.state}, after ${JSON.stringify(position)}:`;
      if (report.blocks > common) this.#diverged(`${where} ${report.blocks - common} blocks too many`);
      if (report.state !== 'live') continue;
      if (report.sequence !== position?.sequence) this.#diverged(`${where} says ${report.sequence}`);
      if (common < (held?.size ?? 0)) this.#diverged(`${where} ${held!.size - common} blocks too few`);
    }
    const { entries } = this.#cache.index.size();
    if (entries !== claimed) this.#diverged(`${entries} entries for ${claimed} blocks`);
  }

  /** What of a prompt the index matches now, against what each engine would reuse now. */
  probe(prompt: Prompt): void {
    for (const { engine, position, window } of this.#followed.values()) {
      this.counts.probes++;
      const held = engine.up ? engine.cache.heldPrefixBlocks(prompt.tokenIds, prompt.context) : 0;
      const matched = this.#depth(engine, prompt);
      const onTheWay = this.#onTheWay(engine, position);
      if (window === undefined) this.counts.mostOnTheWay = Math.max(this.counts.mostOnTheWay, onTheWay);
      if (matched <= held) continue;
      if (window !== undefined) this.counts.staleInWindow++;
      else if (onTheWay > 0) this.counts.staleOnTheWay++;
      else this.#diverged(`${engine.options.name} does not hold ${matched - held} blocks that match`);
    }
  }

  /** When all is quiet: the index against the engines' own caches, block for block. */
  compare(): void {
    this.#cache.index.check();
    for (const { engine } of this.#followed.values()) {
      const report = this.#report(engine)!;
      const { name } = engine.options;
      if (this.#of(engine).window !== undefined) this.#diverged(`${name}: a window does not end`);
      let common = 0;
      const residents = engine.cache.residentBlocks();
      for (const block of residents) {
        const { lora, salt } = block;
        const chain = chainOfPrompt(engine.options, { tokenIds: block.prefix(), context: { lora, salt } });
        if (this.#holds(engine, block.hash, blockAt(chain, block.index))) common++;
      }
      this.counts.blocksCompared += residents.length;
      if (report.blocks > common) this.#diverged(`${name} does not hold ${report.blocks - common} blocks`);
      if (report.state === 'live') {
        this.counts.comparedLive++;
        if (common < residents.length) this.#diverged(`${name} holds ${residents.length - common} more`);
        this.#comparePrefixes(engine);
      } else {
        this.counts.comparedCold++;
        if (this.#remembersAll(engine)) this.#diverged(`${name} stays ${report.state} ${report.why}`);
        this.counts.lackingWhenCold += residents.length - common;
      }
    }
  }

  /** Of the prompts that it has cached the index finds as much as the engine itself. */
  #comparePrefixes(engine: ChaosEngine): void {
    for (const { lora, salt, prefix } of engine.cache.residentChains()) {
      const prompt = { tokenIds: prefix(), context: { lora, salt } };
      const held = engine.cache.heldPrefixBlocks(prompt.tokenIds, prompt.context);
      const matched = this.#depth(engine, prompt);
      if (matched !== held)
        this.#diverged(`${engine.options.name} holds ${held} of a prompt, not ${matched}`);
    }
  }

  #endWindow(followed: Followed, report: PublisherReport | undefined): void {
    const { engine, window, position } = followed;
    if (window === undefined || position === undefined || !this.#isFinal(engine, report)) return;
    if (window.until !== undefined && isBefore(position, window.until)) return;
    const { counts } = this;
    counts.longestWindowMessages = Math.max(
      counts.longestWindowMessages,
      engine.batches - window.openedAtBatch,
    );
    counts.longestWindowMs = Math.max(counts.longestWindowMs, performance.now() - window.openedAtMs);
    followed.window = undefined;
  }

  /** Whether the feed has nothing left to try. */
  #isFinal(engine: ChaosEngine, report: PublisherReport | undefined): boolean {
    if (report?.state !== 'cold') return report?.state === 'live';
    return (
      engine.options.replayBufferSteps === 'off' ||
      !['replay_failed', 'overflow', 'hole'].includes(report.why ?? '')
    );
  }

  /** Batches of the same life that were published and not applied. */
  #onTheWay({ last }: ChaosEngine, position: Position | undefined): number {
    return last !== undefined && position?.life === last.life ? last.sequence - position.sequence : 0;
  }

  /** Whether its whole life could be replayed. */
  #remembersAll({ last, options: { replayBufferSteps } }: ChaosEngine): boolean {
    return replayBufferSteps !== 'off' && (last?.sequence ?? 0) < replayBufferSteps;
  }

  #report(engine: ChaosEngine): PublisherReport | undefined {
    return this.#feed()
      .snapshot()
      .find(({ pod }) => pod === engine.options.name);
  }

  #depth(engine: ChaosEngine, prompt: Prompt): number {
    const holder = this.#holder(engine);
    if (holder === undefined) return 0;
    return this.#cache.index.find(chainOfPrompt(engine.options, prompt)).depthOf(holder);
  }

  #claims(engine: ChaosEngine, hash: bigint): boolean {
    return this.#holds(engine, hash, engine.names.get(hash)!);
  }

  #holds(engine: ChaosEngine, hash: bigint, block: BlockHash): boolean {
    const holder = this.#holder(engine);
    return holder !== undefined && holdsBlock(this.#cache.index, holder, engineHash(hash), block);
  }

  #holder(engine: ChaosEngine) {
    return this.#cache.holders.find(engine.options.name, { kind: 'gpu', rank: 0 });
  }

  #of(engine: ChaosEngine): Followed {
    return this.#followed.get(engine.options.name)!;
  }

  #diverged(what: string): void {
    this.counts.divergences++;
    if (this.divergences.length < MOST_TOLD) this.divergences.push(what);
  }
}

function isBefore(a: Position, b: Position): boolean {
  return a.life < b.life || (a.life === b.life && a.sequence < b.sequence);
}

function same(a: Position | undefined, b: Position | undefined): boolean {
  return a?.life === b?.life && a?.sequence === b?.sequence;
}
