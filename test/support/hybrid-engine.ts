/**
 * vLLM's prefix cache of a hybrid model, as plainly as it can be said: which blocks each KV-cache group has, which of them a prompt
 * needs (`HybridKVCacheCoordinator.find_longest_cache_hit`), and what is announced of those that are stored.
 */
import type { CacheGroup, KvEvent } from '../../src/events/decoding/kv-event.ts';
import { engineHashes, group, removed, stored } from './kv-events.ts';

export interface GroupSpec {
  readonly kind: 'full_attention' | 'sliding_window' | 'mamba';
  readonly sizeTokens: number;
  /** Of a sliding window. */
  readonly windowTokens?: number;
}

/** Which blocks of a window are stored: all of them, or only those that a prefix of whole cells can need. */
export type Retention = 'all' | 'reachable';

export class HybridEngine {
  readonly #specs: readonly GroupSpec[];
  readonly #retention: Retention;
  /** By group: the prompt up to a block's end → copies. */
  readonly #held: Map<string, number>[];
  readonly #hashes = new Map<string, number>();
  /** By group: blocks that were announced, and those that a window has passed, which no event names. */
  readonly #announced: Set<string>[];
  readonly #passed: Set<string>[];
  /** What was announced and not handed out yet. */
  #events: KvEvent[] = [];

  constructor(specs: readonly GroupSpec[], retention: Retention) {
    this.#specs = specs;
    this.#retention = retention;
    this.#held = specs.map(() => new Map());
    this.#announced = specs.map(() => new Set());
    this.#passed = specs.map(() => new Set());
  }

  /** Prefixes that can be reused are multiples of this. */
  get alignTokens(): number {
    let align = 1;
    while (this.#specs.some(({ sizeTokens }) => align % sizeTokens !== 0)) align++;
    return align;
  }

  takeEvents(): KvEvent[] {
    return this.#events.splice(0);
  }

  /** How many tokens of the prompt are reused. */
  reused(prompt: readonly number[]): number {
    let length = prompt.length - (prompt.length % this.alignTokens);
    while (!this.#specs.every((spec, i) => this.#suits(spec, this.#held[i]!, prompt.slice(0, length))))
      length -= this.alignTokens;
    return length;
  }

  /**
   * Whether more of the prompt may be reused than events tell: a window has passed one of its blocks, which is announced for another
   * prompt, one that parts from this one in the same cell. That the two are the same block is said nowhere.
   */
  isPartlyUnnamed(prompt: readonly number[]): boolean {
    return this.#specs.some(({ sizeTokens }, i) => {
      for (let end = sizeTokens; end <= prompt.length; end += sizeTokens) {
        const prefix = keyOf(prompt, end);
        if (this.#passed[i]!.has(prefix) && this.#announced[i]!.has(prefix)) return true;
      }
      return false;
    });
  }

  /**
   * Computes a prompt, so many cells at a time.
   * @param passed the parts before the last one were computed elsewhere: a window has passed them, and stores what it needs of them
   */
  compute(prompt: readonly number[], cellsAtOnce: number, passed: boolean): void {
    const end = prompt.length - (prompt.length % this.alignTokens);
    const step = passed ? end : cellsAtOnce * this.alignTokens;
    for (let from = this.reused(prompt); from < end; from += step) {
      const to = Math.min(end, from + step);
      for (const [i, spec] of this.#specs.entries()) this.#store(i, spec, prompt, from, to, passed);
    }
  }

  /** One copy of some block is evicted. @param choice any number */
  evict(choice: number): void {
    const all = this.#held.flatMap((held, i) => [...held.keys()].map(prefix => ({ i, prefix })));
    const victim = all[choice % Math.max(1, all.length)];
    if (victim === undefined) return;
    const held = this.#held[victim.i]!;
    const left = held.get(victim.prefix)! - 1;
    if (left === 0) held.delete(victim.prefix);
    else held.set(victim.prefix, left);
    this.#events.push(removed([this.#hash(victim.prefix)], { group: group(victim.i) }));
  }

  clear(): void {
    for (const held of this.#held) held.clear();
    this.#events.push({ kind: 'cleared' });
  }

  #suits({ kind, sizeTokens, windowTokens = 0 }: GroupSpec, held: Map<string, number>, prefix: number[]) {
    const blocks = prefix.length / sizeTokens;
    const needed = { full_attention: blocks, mamba: 1, sliding_window: neededOf(windowTokens, sizeTokens) }[
      kind
    ];
    for (let block = Math.max(0, blocks - needed); block < blocks; block++)
      if (!held.has(keyOf(prefix, (block + 1) * sizeTokens))) return false;
    return true;
  }

  #store(i: number, spec: GroupSpec, prompt: readonly number[], from: number, to: number, passed: boolean) {
    const { kind, sizeTokens, windowTokens } = spec;
    const held = this.#held[i]!;
    const ends = [];
    for (let end = from + sizeTokens; end <= to; end += sizeTokens) {
      const isStored = this.#isStored(spec, end, to, passed);
      if (isStored) ends.push(end);
      (isStored ? this.#announced : this.#passed)[i]!.add(keyOf(prompt, end));
    }
    const prefixes = ends.map(end => keyOf(prompt, end));
    // Such a second copy from the root is taken for a report of what is held, and so not counted: less is claimed.
    const isTakenForReport =
      kind === 'full_attention' && from === 0 && ends.length > 1 && prefixes.every(each => held.has(each));
    if (!isTakenForReport) for (const prefix of prefixes) held.set(prefix, (held.get(prefix) ?? 0) + 1);
    const names = prefixes.map(prefix => this.#hash(prefix));
    const of: CacheGroup = group(i, kind, windowTokens);
    this.#events.push({
      ...stored([], from === 0 ? undefined : this.#hash(keyOf(prompt, from)), { group: of }),
      ...{ hashes: engineHashes(...names), tokenIds: Uint32Array.from(prompt.slice(from, to)) },
      blockSizeTokens: sizeTokens,
    });
  }

  #isStored({ kind, sizeTokens, windowTokens = 0 }: GroupSpec, end: number, to: number, passed: boolean) {
    if (kind === 'full_attention') return true;
    const needed = kind === 'mamba' ? 1 : neededOf(windowTokens, sizeTokens);
    if (passed && (to - end) / sizeTokens >= needed) return false;
    if (kind === 'mamba' || this.#retention === 'all') return true;
    const cellEnd = Math.ceil(end / this.alignTokens) * this.alignTokens;
    return (cellEnd - end) / sizeTokens < needed;
  }

  #hash(prefix: string): number {
    const known = this.#hashes.get(prefix);
    if (known !== undefined) return known;
    this.#hashes.set(prefix, this.#hashes.size + 1);
    return this.#hashes.size;
  }
}

function neededOf(windowTokens: number, sizeTokens: number): number {
  return Math.max(1, Math.ceil((windowTokens - 1) / sizeTokens));
}

function keyOf(prompt: readonly number[], end: number): string {
  return prompt.slice(0, end).join();
}
