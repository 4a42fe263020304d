import type { Pod } from '../../domain.ts';

/** Where a pod is, seen from one zone; `unknown`: one of the two zones is not known. */
export type ZoneRelation = 'own' | 'other' | 'unknown';

export function zoneRelation(own: string | undefined, pod: Pod): ZoneRelation {
  if (own === undefined || pod.zone === undefined) return 'unknown';
  return pod.zone === own ? 'own' : 'other';
}

/** What each pod costs for where it is: a number of milliseconds per pod, in their order. undefined: nothing, wherever they are. */
export type ZonePenalties = (pods: readonly Pod[]) => Float64Array | undefined;

/**
 * A pod in another zone costs the penalty; one of which the zone is not known, nothing: it may be near. Computed once for each list of pods.
 * @param own the zone that requests come from; undefined: not known, and nobody costs anything
 */
export function createZonePenalties(own: string | undefined, penaltyMs: number): ZonePenalties {
  const known = new WeakMap<readonly Pod[], Float64Array | 'none'>();
  if (own === undefined || penaltyMs === 0) return () => undefined;
  return pods => {
    let penalties = known.get(pods);
    if (penalties === undefined) {
      penalties = pods.some(pod => zoneRelation(own, pod) === 'other')
        ? Float64Array.from(pods, pod => (zoneRelation(own, pod) === 'other' ? penaltyMs : 0))
        : 'none';
      known.set(pods, penalties);
    }
    return penalties === 'none' ? undefined : penalties;
  };
}
