/** How long the event loop is kept from everything else at a time, in milliseconds. One task alone may take longer. */
const SLICE_MS = 5;

/**
 * Runs tasks in the order they come, at once as long as that takes no time, and the rest in slices with turns of the event loop
 * between: a rollout of a thousand pods is too much for one turn.
 */
export class Slices {
  readonly #onUnexpected: (error: unknown) => void;
  #tasks: (() => void)[] = [];
  #sliceStartedAt: number | undefined;
  #stopped = false;

  /** @param onUnexpected what a task threw; the others run all the same */
  constructor(onUnexpected: (error: unknown) => void) {
    this.#onUnexpected = onUnexpected;
  }

  add(task: () => void): void {
    if (this.#stopped) return;
    this.#tasks.push(task);
    if (this.#sliceStartedAt === undefined) this.#begin();
    if (this.#tasks.length === 1) this.#run();
  }

  /** Drops what is left. */
  stop(): void {
    this.#stopped = true;
    this.#tasks = [];
  }

  #begin(): void {
    this.#sliceStartedAt = performance.now();
    setImmediate(() => {
      this.#sliceStartedAt = undefined;
      if (this.#tasks.length === 0) return;
      this.#begin();
      this.#run();
    });
  }

  #run(): void {
    let done = 0;
    while (done < this.#tasks.length && performance.now() - this.#sliceStartedAt! < SLICE_MS) {
      try {
        this.#tasks[done++]!();
      } catch (error) {
        this.#onUnexpected(error);
      }
    }
    this.#tasks.splice(0, done);
  }
}
