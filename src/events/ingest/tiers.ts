import type { CacheState } from '../../cache/cache-state.ts';
import type { MultiPart } from '../../cache/holders.ts';
import type { BlockChain, EngineLanes, HolderId } from '../../domain.ts';
import { type Place, START } from '../../prefix-index/prefix-index.ts';
import { type EngineHash, type EngineHashes, each, hashAt, type StoredEvent } from '../decoding/decoding.ts';
import { type ChainOptions, chainOf, formOf } from './event-chain.ts';

export type Tier = 'cpu' | 'storage';
export interface TiersOptions extends ChainOptions {
  readonly pod: string;
  readonly rank: number;
  readonly gpu: HolderId;
  readonly cache: Pick<CacheState, 'index' | 'holders' | 'catalog'>;
  /** There is one part more. */
  readonly composed: () => void;
}

type TierHolders = NonNullable<MultiPart['tiers']>;

/**
 * What one rank holds off its GPU, and, beside it, what it holds anywhere: a prefix may lie partly here and
 * partly there. Nothing is kept until an engine announces blocks off its GPU.
 */
export class Tiers {
  readonly #options: TiersOptions;
  #holders: TierHolders | undefined;

  constructor(options: TiersOptions) {
    this.#options = options;
  }

  /** undefined: the engine has announced blocks on its GPU only. */
  get holders(): TierHolders | undefined {
    return this.#holders;
  }

  /** Where the rank's block with this hash is, whatever tier has it. */
  locate(hash: EngineHash): Place | undefined {
    const { gpu, cache } = this.#options;
    const { cpu, storage } = this.#holders ?? {};
    for (const holder of [gpu, cpu, storage]) {
      const place = holder === undefined ? undefined : cache.index.locate(holder, hash);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  /**
   * Returns how many blocks of the event could be placed. Blocks that some tier has already lie where that says: engines leave
   * out what their hashes are made of beside tokens (vLLM's offloading does), and, in placeholders, the tokens as well.
   */
  store(tier: Tier, event: StoredEvent): number {
    if (event.blockSizeTokens === 0) return this.#storeKnown(tier, [...each(event.hashes)]);
    const hashes = [...each(event.hashes)];
    const unknown = hashes.findIndex(hash => this.locate(hash) === undefined);
    if (unknown < 0) return this.#storeKnown(tier, hashes);
    return (
      this.#storeKnown(tier, hashes.slice(0, unknown)) +
      this.#storeUnknown(tier, unknown === 0 ? event : withoutHead(event, unknown))
    );
  }

  storedOnGpu(chain: BlockChain, parent: EngineHash | undefined): void {
    if (this.#holders !== undefined) this.#storeAnywhere(chain, parent);
  }

  /** Returns how many blocks the tier no longer has. */
  remove(tier: Tier, hashes: EngineHashes): number {
    if (this.#holders === undefined) return 0;
    let gone = 0;
    for (const hash of each(hashes)) {
      for (const place of this.#options.cache.index.remove(this.#holders[tier], hash)) {
        gone++;
        this.#settle(place);
      }
    }
    return gone;
  }

  goneFromGpu(place: Place): void {
    this.#settle(place);
  }

  gpuCleared(): void {
    if (this.#holders === undefined) return;
    const { index } = this.#options.cache;
    const { cpu, storage, anywhere } = this.#holders;
    index.clear(anywhere);
    index.storeAllOf(cpu, anywhere);
    index.storeAllOf(storage, anywhere);
  }

  clear(): void {
    for (const holder of Object.values(this.#holders ?? {})) this.#options.cache.index.clear(holder);
  }

  /** What no tier has any more is nowhere. */
  #settle(place: Place): void {
    if (this.#holders === undefined) return;
    const { gpu, cache } = this.#options;
    const { cpu, storage, anywhere } = this.#holders;
    if (![gpu, cpu, storage].some(holder => cache.index.holdsAt(holder, place))) {
      cache.index.removeAt(anywhere, place);
    }
  }

  #storeKnown(tier: Tier, hashes: readonly EngineHash[]): number {
    const { index } = this.#options.cache;
    let known = 0;
    for (const hash of hashes) {
      const place = this.locate(hash);
      if (place === undefined) continue;
      known++;
      const holders = this.#ensure();
      index.storeAt(holders[tier], place, hash);
      index.storeAt(holders.anywhere, place, undefined);
    }
    return known;
  }

  /** Of a prompt's first blocks the event has to say what context they are of: without extra keys it may be any. */
  #storeUnknown(tier: Tier, event: StoredEvent): number {
    const { index, catalog } = this.#options.cache;
    const { parent, hashes, extraKeys, loraName } = event;
    if (parent === undefined && extraKeys.length === 0) return 0;
    const after = this.#after(parent);
    if (after === undefined) return 0;
    const { chain, model } = chainOf(event, after === START ? undefined : index.hashAt(after), this.#options);
    if (!catalog.note(this.#options.gpu, model, formOf(event), loraName === undefined ? 'base' : 'adapter'))
      return 0;
    const holders = this.#ensure();
    index.store(holders[tier], chain, { after, engineHashes: hashes.lanes, again: 'copy' });
    this.#storeAnywhere(chain, parent);
    return hashes.length;
  }

  #storeAnywhere(chain: BlockChain, parent: EngineHash | undefined): void {
    const after = this.#after(parent);
    if (after === undefined) return;
    const announcement = { after, engineHashes: undefined, again: 'same' } as const;
    this.#options.cache.index.store(this.#ensure().anywhere, chain, announcement);
  }

  #after(parent: EngineHash | undefined): Place | undefined {
    return parent === undefined ? START : this.locate(parent);
  }

  #ensure(): TierHolders {
    if (this.#holders !== undefined) return this.#holders;
    const { pod, rank, gpu, cache, composed } = this.#options;
    const part = (kind: 'cpu' | 'storage' | 'anywhere'): HolderId =>
      cache.holders.ensure(pod, { kind, rank });
    this.#holders = { cpu: part('cpu'), storage: part('storage'), anywhere: part('anywhere') };
    cache.index.storeAllOf(gpu, this.#holders.anywhere);
    composed();
    return this.#holders;
  }
}

function withoutHead(event: StoredEvent, blocks: number): StoredEvent {
  const { hashes, tokenIds, blockSizeTokens, lookahead, extraKeys } = event;
  return {
    ...event,
    hashes: { length: hashes.length - blocks, lanes: hashes.lanes.subarray(2 * blocks) as EngineLanes },
    parent: hashAt(hashes, blocks - 1),
    tokenIds: tokenIds.subarray(blocks * blockSizeTokens),
    lookahead: { tokens: lookahead.tokens, ids: lookahead.ids.subarray(blocks * lookahead.tokens) },
    extraKeys: extraKeys.slice(blocks),
  };
}
