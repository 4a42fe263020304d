/** Numbers from many measured times. */

/** By nearest rank. Sorts the values. */
export function percentile(values: Float64Array, share: number): number {
  values.sort();
  return values[Math.max(0, Math.ceil(values.length * share) - 1)]!;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Times in milliseconds as p50 and p99 in microseconds. */
export function microseconds(times: Float64Array): { readonly p50: number; readonly p99: number } {
  return { p50: 1_000 * percentile(times, 0.5), p99: 1_000 * percentile(times, 0.99) };
}
