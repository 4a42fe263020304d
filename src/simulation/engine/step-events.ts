import type { EngineLanes } from '../../domain.ts';
import { engineHash } from '../../domain.ts';
import type { CacheGroup, KvEvent, StoredEvent } from '../../events/decoding/decoding.ts';
import { NO_LOOKAHEAD } from '../../prompt/blocks.ts';

const FULL_ATTENTION: CacheGroup = { index: 0, kind: 'full_attention', windowTokens: undefined };
const NO_EXTRA_KEYS: StoredEvent['extraKeys'] = [];

/** The cache events of one step, in their order. */
export class StepEvents {
  #events: KvEvent[] = [];
  /** Removals that follow one another are one event, as the feed's decoder makes them. */
  #removed: number[] = [];

  removed(hi: number, lo: number): void {
    this.#removed.push(hi, lo);
  }

  /** Blocks `from` to before `to` of this chain are full. */
  stored(lanes: Uint32Array, tokens: Uint32Array, from: number, to: number, blockSizeTokens: number): void {
    this.#endRemovals();
    this.#events.push({
      kind: 'stored',
      hashes: { length: to - from, lanes: lanes.subarray(2 * from, 2 * to) as EngineLanes },
      parent: from === 0 ? undefined : engineHash(lanes[2 * from - 2]!, lanes[2 * from - 1]!),
      tokenIds: tokens.subarray(from * blockSizeTokens, to * blockSizeTokens),
      blockSizeTokens,
      lookahead: NO_LOOKAHEAD,
      loraName: undefined,
      salt: undefined,
      medium: 'gpu',
      group: FULL_ATTENTION,
      extraKeys: NO_EXTRA_KEYS,
    });
  }

  /** What happened since the last call. */
  drain(): readonly KvEvent[] {
    this.#endRemovals();
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #endRemovals(): void {
    if (this.#removed.length === 0) return;
    const lanes = Uint32Array.from(this.#removed) as EngineLanes;
    const length = lanes.length / 2;
    this.#removed = [];
    this.#events.push({
      ...{ kind: 'removed', hashes: { length, lanes }, medium: 'gpu' },
      ...{ group: FULL_ATTENTION, events: length },
    });
  }
}
