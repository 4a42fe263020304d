/** The samples of the last half hour, as the plots take them. */

/** @import { Quantity, Sample, SampleHistory } from '../src/ops/console/messages.ts' */

const MAX_SAMPLES = 360;

export class History {
  /** @type {number[]} */ at = [];
  /** @type {Record<Quantity, (number | null)[]>} */ #series;
  /** @type {Map<string, (number | null)[]>} */ #load;

  /** @param {SampleHistory} history */
  constructor({ at, series, load }) {
    this.at = [...at];
    this.#series = /** @type {Record<Quantity, (number | null)[]>} */ (
      Object.fromEntries(Object.entries(series).map(([name, values]) => [name, [...values]]))
    );
    this.#load = new Map(load.map(({ pod, running }) => [pod, [...running]]));
  }

  /** @param {Sample} sample */
  add({ at, values, load }) {
    // The router's clock was set back: what was before has no place on the axis any more.
    if (at <= (this.at.at(-1) ?? 0)) return;
    const isFull = this.at.length >= MAX_SAMPLES;
    const running = new Map(load);
    for (const pod of running.keys()) {
      if (!this.#load.has(pod))
        this.#load.set(
          pod,
          this.at.map(() => null),
        );
    }
    this.at.push(at);
    for (const [name, series] of Object.entries(this.#series))
      series.push(values[/** @type {Quantity} */ (name)]);
    for (const [pod, series] of this.#load) series.push(running.get(pod) ?? null);
    if (!isFull) return;
    for (const series of [this.at, ...Object.values(this.#series), ...this.#load.values()]) series.shift();
    for (const [pod, series] of this.#load) if (series.every(each => each === null)) this.#load.delete(pod);
  }

  /** @param {Quantity} quantity */
  series(quantity) {
    return this.#series[quantity];
  }

  /** The pods with most in flight, by name. @param {number} count */
  busiest(count) {
    return [...this.#load]
      .map(([pod, running]) => ({
        pod,
        running,
        sum: running.reduce((sum, each) => /** @type {number} */ (sum) + (each ?? 0), 0) ?? 0,
      }))
      .sort((a, b) => b.sum - a.sum)
      .slice(0, count)
      .sort((a, b) => (a.pod < b.pod ? -1 : 1));
  }

  get loads() {
    return this.#load.size;
  }

  /** @param {Quantity} quantity */
  last(quantity) {
    return this.#series[quantity].at(-1) ?? null;
  }

  /** The mean by weight, as of rates whose samples are not equally large. @param {Quantity} quantity @param {Quantity} weight @param {number} overSeconds */
  weightedMean(quantity, weight, overSeconds) {
    const from = this.#from(overSeconds);
    let [sum, weights] = [0, 0];
    for (const [i, value] of this.#series[quantity].entries()) {
      const of = this.#series[weight][i] ?? 0;
      if (value === null || /** @type {number} */ (this.at[i]) <= from) continue;
      sum += of * value;
      weights += of;
    }
    return weights === 0 ? null : sum / weights;
  }

  /** @param {Quantity} quantity @param {number} overSeconds */
  mean(quantity, overSeconds) {
    const values = this.#recent(quantity, overSeconds);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  /** @param {Quantity} quantity @param {number} overSeconds */
  max(quantity, overSeconds) {
    const values = this.#recent(quantity, overSeconds);
    return values.length === 0 ? null : Math.max(...values);
  }

  /** @param {number} seconds before the last sample */
  #from(seconds) {
    return (this.at.at(-1) ?? 0) - seconds;
  }

  /** @param {Quantity} quantity @param {number} overSeconds */
  #recent(quantity, overSeconds) {
    const from = this.#from(overSeconds);
    return this.#series[quantity]
      .filter((value, i) => value !== null && /** @type {number} */ (this.at[i]) > from)
      .map(Number);
  }
}
