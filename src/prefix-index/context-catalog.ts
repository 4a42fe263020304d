import type { HolderId } from '../domain.ts';

/** Names that an engine serves: LoRA adapters, and names of its base model. */
export interface ServedNames {
  readonly adapters: readonly string[];
  readonly baseNames: readonly string[];
}

/** Bounds on what engines may name: all of it is kept, and each block size of a model costs every look-up a hashing of the prompt. */
const MAX_NAMES = 1_024;
const MAX_NAME_CHARACTERS = 512;
const MAX_BLOCK_SIZE_TOKENS = 65_536;
/** Of one holder, and of all together; real fleets have one or two. */
const MAX_SIZES_OF_HOLDER = 4;
const MAX_SIZES = 8;

/**
 * What engines have shown: which block sizes are in use for a model, and which names are LoRA adapters, or names of a base
 * model. The read path asks it how to cut a prompt; block sizes are never configured. Everything here goes with who has shown it.
 */
export class ContextCatalog {
  /** Cache model (LoRA name, else base model) → block size in tokens → who uses it. */
  readonly #sizes = new Map<string, Map<number, Set<HolderId>>>();
  /** Holder → its cache models → how many block sizes. */
  readonly #modelsOf = new Map<HolderId, Map<string, number>>();
  /** From events. */
  readonly #adapters = new Map<string, Set<HolderId>>();
  /** Pod → what its engine says that it serves. */
  readonly #served = new Map<string, ServedNames>();
  readonly #servedAdapters = new Counts();
  readonly #servedBaseNames = new Counts();

  /**
   * The holder has stored blocks of this size for this cache model.
   * @returns false: it names more, or other things, than an engine can have, and nothing was noted
   */
  note(holder: HolderId, model: string, blockSizeTokens: number, kind: 'base' | 'adapter'): boolean {
    const sizes = this.#sizes.get(model);
    const holders = sizes?.get(blockSizeTokens);
    if (holders?.has(holder)) return true;
    const models = this.#modelsOf.get(holder) ?? new Map<string, number>();
    const sizesOfHolder = models.get(model) ?? 0;
    if (
      blockSizeTokens > MAX_BLOCK_SIZE_TOKENS ||
      model.length > MAX_NAME_CHARACTERS ||
      sizesOfHolder >= MAX_SIZES_OF_HOLDER ||
      (sizesOfHolder === 0 && models.size >= MAX_NAMES) ||
      (holders === undefined && (sizes?.size ?? 0) >= MAX_SIZES)
    )
      return false;
    this.#modelsOf.set(holder, models.set(model, sizesOfHolder + 1));
    const known = sizes ?? new Map<number, Set<HolderId>>();
    this.#sizes.set(model, known.set(blockSizeTokens, (holders ?? new Set()).add(holder)));
    if (kind === 'adapter') this.#adapters.set(model, (this.#adapters.get(model) ?? new Set()).add(holder));
    return true;
  }

  /** What this pod's engine serves now. */
  setServed(pod: string, { adapters, baseNames }: ServedNames): void {
    this.forgetServed(pod);
    const served = { adapters: bounded(adapters), baseNames: bounded(baseNames) };
    this.#served.set(pod, served);
    this.#servedAdapters.add(served.adapters);
    this.#servedBaseNames.add(served.baseNames);
  }

  forgetServed(pod: string): void {
    const served = this.#served.get(pod);
    if (served === undefined) return;
    this.#served.delete(pod);
    this.#servedAdapters.remove(served.adapters);
    this.#servedBaseNames.remove(served.baseNames);
  }

  /** What the holder's events have shown. */
  forget(holder: HolderId): void {
    for (const model of this.#modelsOf.get(holder)?.keys() ?? []) {
      const sizes = this.#sizes.get(model)!;
      for (const [size, holders] of sizes)
        if (holders.delete(holder) && holders.size === 0) sizes.delete(size);
      if (sizes.size === 0) this.#sizes.delete(model);
      const holders = this.#adapters.get(model);
      if (holders?.delete(holder) && holders.size === 0) this.#adapters.delete(model);
    }
    this.#modelsOf.delete(holder);
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
    return this.#adapters.has(name) || this.#servedAdapters.has(name);
  }

  /** Whether some engine calls its base model so. */
  isBaseName(name: string): boolean {
    return this.#servedBaseNames.has(name);
  }
}

function bounded(names: readonly string[]): readonly string[] {
  return [...new Set(names.filter(({ length }) => length <= MAX_NAME_CHARACTERS))].slice(0, MAX_NAMES);
}

class Counts {
  readonly #counts = new Map<string, number>();

  has(name: string): boolean {
    return this.#counts.has(name);
  }

  add(names: readonly string[]): void {
    for (const name of names) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  remove(names: readonly string[]): void {
    for (const name of names) {
      const left = this.#counts.get(name)! - 1;
      if (left === 0) this.#counts.delete(name);
      else this.#counts.set(name, left);
    }
  }
}
