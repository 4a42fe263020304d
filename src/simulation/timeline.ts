/** What happens at which time: a binary heap of tasks. Of tasks at one time the one scheduled first is run first. */
export class Timeline {
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #tasks: (() => void)[] = [];
  #scheduled = 0;
  #now = 0;

  /** Milliseconds since the start. */
  get now(): number {
    return this.#now;
  }

  get isEmpty(): boolean {
    return this.#tasks.length === 0;
  }

  /** Runs `task` at `atMs`, which must not have passed. */
  at(atMs: number, task: () => void): void {
    if (!(atMs >= this.#now)) throw new Error(`${atMs} ms has passed: it is ${this.#now}`);
    let i = this.#tasks.length;
    const order = this.#scheduled++;
    for (; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (this.#times[parent]! <= atMs) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#put(i, atMs, order, task);
  }

  /** Runs all that is due until then, in order, and what that schedules; then it is `untilMs`. */
  advanceTo(untilMs: number): void {
    while (this.#tasks.length > 0 && this.#times[0]! <= untilMs) this.#runFirst();
    this.#now = Math.max(this.#now, untilMs);
  }

  /** Runs what is next. */
  runNext(): void {
    if (this.#tasks.length > 0) this.#runFirst();
  }

  #runFirst(): void {
    const task = this.#tasks[0]!;
    this.#now = this.#times[0]!;
    const atMs = this.#times.pop()!;
    const order = this.#orders.pop()!;
    const last = this.#tasks.pop()!;
    if (this.#tasks.length > 0) this.#sink(atMs, order, last);
    task();
  }

  #sink(atMs: number, order: number, task: () => void): void {
    const { length } = this.#tasks;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#isBefore(child + 1, this.#times[child]!, this.#orders[child]!)) child++;
      if (!this.#isBefore(child, atMs, order)) break;
      this.#move(child, i);
      i = child;
    }
    this.#put(i, atMs, order, task);
  }

  #isBefore(i: number, atMs: number, order: number): boolean {
    const time = this.#times[i]!;
    return time < atMs || (time === atMs && this.#orders[i]! < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#orders[from]!, this.#tasks[from]!);
  }

  #put(i: number, atMs: number, order: number, task: () => void): void {
    this.#times[i] = atMs;
    this.#orders[i] = order;
    this.#tasks[i] = task;
  }
}
