import type { HolderId } from '../domain.ts';

/**
 * What engines have shown: which block sizes are in use for a model, and which names are LoRA adapters, or names of a base
 * model. The read path asks it how to cut a prompt; block sizes are never configured.
 */
export class ContextCatalog {
  /** Cache model (LoRA name, else base model) → block size in tokens → who uses it. */
  readonly #sizes = new Map<string, Map<number, Set<HolderId>>>();
  readonly #adapters = new Map<string, Set<HolderId>>();
  readonly #baseNames = new Map<string, Set<HolderId>>();

  note(holder: HolderId, model: string, blockSizeTokens: number): void {
    const sizes = this.#sizes.get(model) ?? new Map<number, Set<HolderId>>();
    this.#sizes.set(model, sizes);
    add(sizes, blockSizeTokens, holder);
  }

  noteAdapter(holder: HolderId, name: string): void {
    add(this.#adapters, name, holder);
  }

  noteBaseName(holder: HolderId, name: string): void {
    add(this.#baseNames, name, holder);
  }

  forget(holder: HolderId): void {
    for (const [model, sizes] of this.#sizes) {
      remove(sizes, holder);
      if (sizes.size === 0) this.#sizes.delete(model);
    }
    remove(this.#adapters, holder);
    remove(this.#baseNames, holder);
  }

  /** Block sizes in tokens that some holder uses for this cache model. */
  blockSizes(model: string): number[] {
    return [...(this.#sizes.get(model)?.keys() ?? [])];
  }

  /** Whether this holder has shown this block size for this cache model. */
  uses(holder: HolderId, model: string, blockSizeTokens: number): boolean {
    return this.#sizes.get(model)?.get(blockSizeTokens)?.has(holder) ?? false;
  }

  isAdapter(name: string): boolean {
    return this.#adapters.has(name);
  }

  /** Whether some engine calls its base model so. */
  isBaseName(name: string): boolean {
    return this.#baseNames.has(name);
  }
}

function add<Key>(sets: Map<Key, Set<HolderId>>, key: Key, holder: HolderId): void {
  const holders = sets.get(key);
  if (holders) holders.add(holder);
  else sets.set(key, new Set([holder]));
}

function remove<Key>(sets: Map<Key, Set<HolderId>>, holder: HolderId): void {
  for (const [key, holders] of sets) if (holders.delete(holder) && holders.size === 0) sets.delete(key);
}
