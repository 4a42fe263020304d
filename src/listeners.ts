/** Listeners of facts: parts add themselves when they exist. */
export class Listeners<Fact> {
  readonly #all: ((fact: Fact) => void)[] = [];

  add(listener: (fact: Fact) => void): void {
    this.#all.push(listener);
  }

  /** In the order in which they were added. */
  tell(fact: Fact): void {
    for (const listener of this.#all) listener(fact);
  }
}
