import { LRUCache } from 'lru-cache';
import type { Hash64 } from '../../domain.ts';
import type { StoredEvent } from '../decoding/decoding.ts';

/** Prompts of a context that is not the usual one, by their first blocks; beyond it those stored longest ago are forgotten. */
const MAX_STARTS = 16_384;

/**
 * Of which context the prompts of one rank are, for engines that have the same hash for the same tokens in several: SGLang parts its
 * cache by salt and adapter, and its hashes do not. Known by the first block; what is not here has the base model and no salt.
 */
export class StartContexts {
  readonly #baseModel: string;
  readonly #byStart = new LRUCache<string, string>({ max: MAX_STARTS });

  constructor(baseModel: string) {
    this.#baseModel = baseModel;
  }

  /** All prompts are of the usual context. */
  get isEmpty(): boolean {
    return this.#byStart.size === 0;
  }

  /** A prompt begins with this block. */
  note(start: Hash64, event: StoredEvent): void {
    const context = this.of(event);
    if (context !== this.#usual) this.#byStart.set(keyOf(start), context);
  }

  /** As the event says it. */
  of({ loraName, salt }: StoredEvent): string {
    return JSON.stringify([loraName ?? this.#baseModel, salt ?? '']);
  }

  /** Of the prompt that begins with this block. */
  at(start: Hash64): string {
    return this.#byStart.get(keyOf(start)) ?? this.#usual;
  }

  clear(): void {
    this.#byStart.clear();
  }

  get #usual(): string {
    return JSON.stringify([this.#baseModel, '']);
  }
}

function keyOf({ hi, lo }: Hash64): string {
  return `${hi} ${lo}`;
}
