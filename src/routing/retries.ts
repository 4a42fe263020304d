import type { Pod } from '../domain.ts';

/** How often our Envoy configurations try another pod (`num_retries`). */
const RETRIES = 2;

/** How many pods besides the pick a decision has to name for a list of so many endpoints. */
export function retriesFor(endpoints: number): number {
  return Math.max(RETRIES, endpoints - 1);
}

/**
 * Where a request may go when its pod does not answer it: the least loaded of the others, in order, `count` of them at most. Of those that
 * our Envoys try, one is in another zone than the pick, if there is such a pod: what failed the pick may have failed its whole zone, whose pods
 * look idle then. Where there are fewer than our Envoys would try, those there are come again: they would otherwise go on to any pod that they
 * know, whatever model that serves.
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
  // Equals in turn, so that the failed requests of one pod do not all go to the same other one.
  const first = Math.floor(random() * pods.length);
  const retries: Pod[] = [];
  while (retries.length < count) {
    const isLastTried = retries.length === RETRIES - 1;
    const wantsElsewhere = isLastTried && picked.zone !== undefined && !retries.some(isElsewhere);
    const next = (wantsElsewhere ? leastLoaded(isElsewhere) : undefined) ?? leastLoaded(anywhere);
    if (next === undefined) break;
    retries.push(next);
  }
  const again = pods.includes(picked) ? picked : (retries[0] ?? picked);
  while (retries.length < RETRIES) retries.push(again);
  return retries;

  function anywhere(): boolean {
    return true;
  }

  /** Known to be in another zone than the pick, whose zone is known. */
  function isElsewhere({ zone }: Pod): boolean {
    return zone !== undefined && zone !== picked.zone;
  }

  /** Of those that are neither the pick nor named already. */
  function leastLoaded(mayBe: (pod: Pod) => boolean): Pod | undefined {
    let best: Pod | undefined;
    let least = Number.POSITIVE_INFINITY;
    // Nobody has less than nothing to do.
    for (let i = 0, at = first; i < pods.length && least > 0; i++, at++) {
      if (at === pods.length) at = 0;
      if (running[at]! >= least) continue;
      const pod = pods[at]!;
      if (pod === picked || retries.includes(pod) || !mayBe(pod)) continue;
      best = pod;
      least = running[at]!;
    }
    return best;
  }
}
