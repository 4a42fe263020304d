/** Values by names of a file, which may have been tampered with: of more than so many names, the rest are one. */
export class Named<T> {
  readonly #create: (name: string) => T;
  readonly #maxNames: number;
  readonly #values = new Map<string, T>();

  constructor(create: (name: string) => T, maxNames = 1_000) {
    this.#create = create;
    this.#maxNames = maxNames;
  }

  of(given: string): T {
    const name = this.#values.has(given) || this.#values.size < this.#maxNames ? given : OTHERS;
    let value = this.#values.get(name);
    if (value === undefined) {
      value = this.#create(name);
      this.#values.set(name, value);
    }
    return value;
  }

  values(): T[] {
    return [...this.#values.values()];
  }
}

const OTHERS = '(others)';
