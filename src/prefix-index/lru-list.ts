import { RUN_SHIFT, type Runs, TOUCHED } from './runs.ts';

/**
 * Runs from the one stored longest ago to the newest. A run is always older than those that its blocks follow, so that
 * a chain evicts its tail before its head.
 *
 * Within one epoch a run moves once: what it leads to and was touched later in the same epoch is put right before it.
 */
export class LruList {
  readonly #records: Uint32Array;
  /** By run: the next older and the next newer one. Run 0 closes the ring. */
  readonly #links: Uint32Array;
  #epoch = 1;

  constructor(runs: Runs, capacity: number) {
    this.#records = runs.records;
    this.#links = new Uint32Array(2 * (capacity + 1));
  }

  /** 0 if there is none. */
  get oldest(): number {
    return this.#links[1]!;
  }

  /** From the oldest to the newest. */
  *[Symbol.iterator](): Generator<number> {
    for (let run = this.oldest; run !== 0; run = this.#links[2 * run + 1]!) yield run;
  }

  /** From now on everything counts as not yet touched. */
  startEpoch(): void {
    this.#epoch = (this.#epoch + 1) >>> 0;
  }

  /** A new run, right before another one; as the newest if that is 0. */
  insertBefore(run: number, newer: number): void {
    const links = this.#links;
    const older = links[2 * newer]!;
    links[2 * run] = older;
    links[2 * run + 1] = newer;
    links[2 * older + 1] = run;
    links[2 * newer] = run;
  }

  remove(run: number): void {
    const links = this.#links;
    const older = links[2 * run]!;
    const newer = links[2 * run + 1]!;
    links[2 * older + 1] = newer;
    links[2 * newer] = older;
  }

  /**
   * The run was stored, or what follows it was.
   * @param parentOf the run that another one's first block follows, 0 for none
   */
  touch(run: number, parentOf: (run: number) => number): void {
    const records = this.#records;
    const links = this.#links;
    let newest = 0;
    let touched = run;
    for (; touched !== 0; touched = parentOf(touched)) {
      const at = (touched << RUN_SHIFT) + TOUCHED;
      if (records[at] === this.#epoch) break;
      records[at] = this.#epoch;
      this.remove(touched);
      this.insertBefore(touched, 0);
      newest = touched;
    }
    if (touched === 0 || newest === 0) return;
    // A parent that is no longer known may lead back into the row that was just put at the newest end.
    for (let each = run; each !== 0; each = links[2 * each + 1]!) if (each === touched) return;
    this.#moveBefore(run, newest, touched);
  }

  /** A row, from its oldest to its newest run. */
  #moveBefore(oldest: number, newest: number, before: number): void {
    const links = this.#links;
    const older = links[2 * oldest]!;
    const newer = links[2 * newest + 1]!;
    links[2 * older + 1] = newer;
    links[2 * newer] = older;
    const behind = links[2 * before]!;
    links[2 * oldest] = behind;
    links[2 * behind + 1] = oldest;
    links[2 * newest + 1] = before;
    links[2 * before] = newest;
  }
}
