/** Values that are 0 or more by their logarithm: bounded, however many there are, and exact to a few per cent. Below 1 all are one. */
export class LogHistogram {
  readonly #bucketsPerDoubling: number;
  /** Of each bucket, what is in it. */
  readonly #weights: number[] = [];
  #total = 0;

  constructor(bucketsPerDoubling: number) {
    this.#bucketsPerDoubling = bucketsPerDoubling;
  }

  get total(): number {
    return this.#total;
  }

  add(value: number, weight = 1): void {
    const bucket = value <= 1 ? 0 : Math.ceil(Math.log2(value) * this.#bucketsPerDoubling);
    while (this.#weights.length <= bucket) this.#weights.push(0);
    this.#weights[bucket]! += weight;
    this.#total += weight;
  }

  /** The upper bound of the bucket that this share of all is in, or below. 0: there is nothing. */
  quantile(share: number): number {
    return this.cumulative().find(([, sum]) => sum >= share * this.#total)?.[0] ?? 0;
  }

  /** How much there is up to a value; one pair for each bucket that has something. */
  cumulative(): (readonly [value: number, weight: number])[] {
    let sum = 0;
    return this.#weights.flatMap((weight, bucket) => {
      sum += weight;
      return weight === 0 ? [] : [[2 ** (bucket / this.#bucketsPerDoubling), sum] as const];
    });
  }
}
