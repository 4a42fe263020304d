import type { Pod } from '../domain.ts';

/** How often our Envoy configurations try another pod (`num_retries`). */
const RETRIES = 2;

/** How many pods besides the pick a decision has to name for a list of so many endpoints. */
export function retriesFor(endpoints: number): number {
  return Math.max(RETRIES, endpoints - 1);
}

/**
 * Where a request may go when its pod does not answer it: the least loaded of the others, in order, `count` of them at most. Where there
 * are fewer than our Envoys would try, those there are come again: they would otherwise go on to any pod that they know, whatever model
 * that serves.
 * @param pods who may be tried; the picked one may be among them or not
 * @param running requests in flight on each of them
 */
export function retriesOf(
  picked: Pod,
  pods: readonly Pod[],
  running: ArrayLike<number>,
  random: () => number,
  count: number,
): readonly Pod[] {
  const retries: Pod[] = [];
  // Equals in turn, so that the failed requests of one pod do not all go to the same other one.
  const first = Math.floor(random() * pods.length);
  while (retries.length < count) {
    let best: Pod | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < pods.length; i++) {
      const at = (first + i) % pods.length;
      const pod = pods[at]!;
      if (running[at]! >= least || pod === picked || retries.includes(pod)) continue;
      best = pod;
      least = running[at]!;
    }
    if (best === undefined) break;
    retries.push(best);
  }
  const again = pods.includes(picked) ? picked : (retries[0] ?? picked);
  while (retries.length < RETRIES) retries.push(again);
  return retries;
}
