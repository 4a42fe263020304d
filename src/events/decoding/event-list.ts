import type { EventDraft } from './event-draft.ts';
import { HashList } from './hash-list.ts';
import type { CacheGroup, KvEvent, Medium, StoredEvent } from './kv-event.ts';

const CLEARED: KvEvent = { kind: 'cleared' };

/** Removals that the next one may join. */
interface Removals {
  readonly medium: Medium;
  readonly group: CacheGroup;
  events: number;
}

/**
 * The events of one batch. Removals in a row become one: an engine that makes room evicts one block after the other, and tells
 * of each in an event of its own.
 */
export class EventList {
  readonly #events: KvEvent[] = [];
  #removals: Removals | undefined;
  readonly #removed = new HashList();

  /** @param draft with all that an event of its kind needs; one about no blocks at all says nothing */
  add(draft: EventDraft): void {
    if (draft.kind !== 'cleared' && draft.hashes.length === 0) return;
    if (draft.kind === 'removed') {
      this.#addRemoved(draft);
      return;
    }
    this.#endRemovals();
    this.#events.push(draft.kind === 'stored' ? storedOf(draft) : CLEARED);
  }

  /** All of them, in order. */
  finish(): readonly KvEvent[] {
    this.#endRemovals();
    return this.#events;
  }

  #addRemoved(draft: EventDraft): void {
    let removals = this.#removals;
    if (removals?.medium !== draft.medium || !draft.isOfGroup(removals.group)) {
      this.#endRemovals();
      removals = { medium: draft.medium, group: draft.group, events: 0 };
      this.#removals = removals;
    }
    removals.events++;
    this.#removed.addAll(draft.hashes);
  }

  #endRemovals(): void {
    if (this.#removals === undefined) return;
    const { medium, group, events } = this.#removals;
    this.#events.push({ kind: 'removed', hashes: this.#removed.copy(), medium, group, events });
    this.#removals = undefined;
    this.#removed.clear();
  }
}

function storedOf(draft: EventDraft): StoredEvent {
  return {
    kind: 'stored',
    hashes: draft.hashes.copy(),
    // No hash is 0: this is how "none" is sent where there is no nil.
    parent: draft.parent?.hi === 0 && draft.parent.lo === 0 ? undefined : draft.parent,
    tokenIds: draft.tokenIds!,
    blockSizeTokens: draft.blockSizeTokens!,
    lookahead: draft.lookahead,
    loraName: draft.loraName,
    salt: draft.salt,
    medium: draft.medium,
    group: draft.group,
    extraKeys:
      draft.tellsContext && draft.extraKeys.length === 0 ? noKeys(draft.hashes.length) : draft.extraKeys,
  };
}

/** Of so many blocks. */
function noKeys(length: number): StoredEvent['extraKeys'] {
  return Array.from({ length }, () => undefined);
}
