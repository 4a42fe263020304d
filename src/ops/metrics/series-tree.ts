/** Undefined: the series goes without this label. */
export type Labels<Label extends string> = Readonly<Record<Label, string | number | undefined>>;

/** Of a metric without any. */
export const NO_LABELS = Object.freeze({});

type Level<Series> = Map<string | number | undefined, Level<Series> | Series>;

/**
 * The series of one metric, by the values of their labels in order. A look-up costs a map per label and builds no key; all
 * series of an owner (a pod, a model), which is the first label, go at once.
 */
export class SeriesTree<Label extends string, Series> {
  readonly #labelNames: readonly Label[];
  /** Without labels there is one series, under undefined. */
  readonly #depth: number;
  readonly #create: (labels: Partial<Record<Label, string | number>>) => Series;
  #root: Level<Series> = new Map();

  constructor(
    labelNames: readonly Label[],
    create: (labels: Partial<Record<Label, string | number>>) => Series,
  ) {
    this.#labelNames = labelNames;
    this.#depth = Math.max(1, labelNames.length);
    this.#create = create;
  }

  /** The series with these labels, made if there is none yet. */
  at(labels: Labels<Label>): Series {
    let level = this.#root;
    for (let i = 0; ; i++) {
      const value = labels[this.#labelNames[i]!];
      let below = level.get(value);
      if (below === undefined) {
        below = i === this.#depth - 1 ? this.#create(this.#copied(labels)) : new Map();
        level.set(value, below);
      }
      if (i === this.#depth - 1) return below as Series;
      level = below as Level<Series>;
    }
  }

  /** Every series, owner by owner. */
  *[Symbol.iterator](): Generator<Series> {
    yield* this.#below(this.#root, 1);
  }

  /** The values of the first label. */
  owners(): Iterable<string | number | undefined> {
    return this.#root.keys();
  }

  /** @returns the series that are gone */
  forget(owner: string): readonly Series[] {
    const below = this.#root.get(owner);
    if (below === undefined) return [];
    this.#root.delete(owner);
    return this.#depth === 1 ? [below as Series] : [...this.#below(below as Level<Series>, 2)];
  }

  *#below(level: Level<Series>, depth: number): Generator<Series> {
    for (const below of level.values()) {
      if (depth === this.#depth) yield below as Series;
      else yield* this.#below(below as Level<Series>, depth + 1);
    }
  }

  /** The caller's object may change, or hold more. */
  #copied(labels: Labels<Label>): Partial<Record<Label, string | number>> {
    const copy: Partial<Record<Label, string | number>> = {};
    for (const name of this.#labelNames) {
      const value = labels[name];
      if (value !== undefined) copy[name] = value;
    }
    return copy;
  }
}
