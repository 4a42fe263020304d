import type { BlockForm, HolderId, PrefixReuse } from '../domain.ts';

/** Names that an engine serves: LoRA adapters, and names of its base model. */
export interface ServedNames {
  readonly adapters: readonly string[];
  readonly baseNames: readonly string[];
}

/** Bounds on what engines may name: all of it is kept, and each form of a model's blocks costs every look-up a hashing of the prompt. */
const MAX_NAMES = 1_024;
const MAX_NAME_CHARACTERS = 512;
const MAX_BLOCK_SIZE_TOKENS = 65_536;
const MAX_LOOKAHEAD_TOKENS = 64;
/** Of one holder, and of all together; real fleets have one or two. */
const MAX_FORMS_OF_HOLDER = 4;
const MAX_FORMS = 8;

/** Blocks of one form, and who has them. */
interface Shown {
  readonly form: BlockForm;
  readonly holders: Set<HolderId>;
}

/**
 * What engines have shown: which forms of blocks are in use for a model, and which names are LoRA adapters, or names of a base
 * model. The read path asks it how to cut a prompt; forms are never configured. Everything here goes with who has shown it.
 */
export class ContextCatalog {
  /** Cache model (LoRA name, else base model) → form → who uses it. */
  readonly #forms = new Map<string, Map<number, Shown>>();
  /** Holder → its cache models → how many forms. */
  readonly #modelsOf = new Map<HolderId, Map<string, number>>();
  /** From events. */
  readonly #adapters = new Map<string, Set<HolderId>>();
  /** Pod → what its engine says that it serves. */
  readonly #served = new Map<string, ServedNames>();
  /** Pods whose engines compute the last block of a held prefix again. */
  readonly #dropsLastBlock = new Set<string>();
  readonly #servedAdapters = new Counts();
  readonly #servedBaseNames = new Counts();

  /**
   * The holder has stored blocks of this form for this cache model.
   * @returns false: it names more, or other things, than an engine can have, and nothing was noted
   */
  note(holder: HolderId, model: string, form: BlockForm, kind: 'base' | 'adapter'): boolean {
    const forms = this.#forms.get(model);
    const shown = forms?.get(keyOf(form));
    if (shown?.holders.has(holder)) return true;
    const models = this.#modelsOf.get(holder) ?? new Map<string, number>();
    const formsOfHolder = models.get(model) ?? 0;
    if (
      form.sizeTokens > MAX_BLOCK_SIZE_TOKENS ||
      form.lookaheadTokens > MAX_LOOKAHEAD_TOKENS ||
      model.length > MAX_NAME_CHARACTERS ||
      formsOfHolder >= MAX_FORMS_OF_HOLDER ||
      (formsOfHolder === 0 && models.size >= MAX_NAMES) ||
      (shown === undefined && (forms?.size ?? 0) >= MAX_FORMS)
    )
      return false;
    this.#modelsOf.set(holder, models.set(model, formsOfHolder + 1));
    const holders = (shown?.holders ?? new Set<HolderId>()).add(holder);
    const known = forms ?? new Map<number, Shown>();
    this.#forms.set(model, known.set(keyOf(form), { form, holders }));
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

  setReuse(pod: string, reuse: PrefixReuse): void {
    if (reuse === 'whole_prefix') this.#dropsLastBlock.delete(pod);
    else this.#dropsLastBlock.add(pod);
  }

  /** Pods whose engines use all but the last block of a prefix again. */
  get dropsLastBlock(): ReadonlySet<string> {
    return this.#dropsLastBlock;
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
      const forms = this.#forms.get(model)!;
      for (const [key, { holders }] of forms)
        if (holders.delete(holder) && holders.size === 0) forms.delete(key);
      if (forms.size === 0) this.#forms.delete(model);
      const holders = this.#adapters.get(model);
      if (holders?.delete(holder) && holders.size === 0) this.#adapters.delete(model);
    }
    this.#modelsOf.delete(holder);
  }

  /** Whether this holder has shown any blocks. */
  showsAny(holder: HolderId): boolean {
    return this.#modelsOf.has(holder);
  }

  /** Whether this holder has shown blocks of this size, of whichever model. */
  shows(holder: HolderId, sizeTokens: number): boolean {
    for (const model of this.#modelsOf.get(holder)?.keys() ?? []) {
      for (const { form, holders } of this.#forms.get(model)!.values())
        if (form.sizeTokens === sizeTokens && holders.has(holder)) return true;
    }
    return false;
  }

  /** Forms of blocks that some holder uses for this cache model. */
  blockForms(model: string): BlockForm[] {
    return Array.from(this.#forms.get(model)?.values() ?? [], ({ form }) => form);
  }

  /** Whether this holder has shown blocks of this form for this cache model. */
  uses(holder: HolderId, model: string, form: BlockForm): boolean {
    return this.#forms.get(model)?.get(keyOf(form))?.holders.has(holder) ?? false;
  }

  isAdapter(name: string): boolean {
    return this.#adapters.has(name) || this.#servedAdapters.has(name);
  }

  /** Whether some engine calls its base model so. */
  isBaseName(name: string): boolean {
    return this.#servedBaseNames.has(name);
  }
}

/** Sizes are bounded, so that both numbers fit into one. */
function keyOf({ sizeTokens, lookaheadTokens }: BlockForm): number {
  return lookaheadTokens * 2 * MAX_BLOCK_SIZE_TOKENS + sizeTokens;
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
