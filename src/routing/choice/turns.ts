/** How many pods of each model were picked: what round robin turns on. */
export class Turns {
  readonly #picked = new Map<string, number>();

  of(model: string): number {
    return this.#picked.get(model) ?? 0;
  }

  taken(model: string): void {
    this.#picked.set(model, this.of(model) + 1);
  }
}
