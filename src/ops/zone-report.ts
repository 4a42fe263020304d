import type { PodListener, PodRegistry } from '../pods/registry.ts';
import type { Logger } from './log/log.ts';

export interface ZoneReportOptions {
  /** The router's own; undefined: not known. */
  readonly own: string | undefined;
  readonly penaltyMs: number;
}

/** What of the pods' zones an operator should know; `as_meant`: nothing. */
type ZonesSeen = 'as_meant' | 'own_unset' | 'none_in_own' | 'none_known';

const SAID: Readonly<Record<Exclude<ZonesSeen, 'as_meant'>, string>> = {
  own_unset:
    'pods are in several zones, and WARMROUTE_ZONE is not set: zones do not matter (docs/policies.md, Zones)',
  none_in_own: 'no pod that may be picked is in WARMROUTE_ZONE: requests go to other zones',
  none_known:
    'WARMROUTE_ZONE is set, and no pod says which zone it is in: zones do not matter (docs/kubernetes.md)',
};

/** Says once when zones come to matter less than the settings ask for, and when they matter again. */
export function reportZones(
  { own, penaltyMs }: ZoneReportOptions,
  registry: Pick<PodRegistry, 'pods' | 'isUnready'>,
  log: Logger,
): Required<Pick<PodListener, 'changed'>> {
  let seen: ZonesSeen = 'as_meant';
  return {
    changed() {
      if (penaltyMs === 0) return;
      const ready = registry.pods().filter(({ name }) => !registry.isUnready(name));
      const zones = new Set(ready.flatMap(({ zone }) => zone ?? []));
      const before = seen;
      seen = ready.length === 0 ? before : seenIn(zones, own);
      if (seen === before) return;
      if (seen !== 'as_meant') log.warn({ zone: own, zones: zones.size }, SAID[seen]);
      else log.info({ zone: own, zones: zones.size }, 'zones matter again as they are set');
    },
  };
}

function seenIn(zones: ReadonlySet<string>, own: string | undefined): ZonesSeen {
  if (own === undefined) return zones.size > 1 ? 'own_unset' : 'as_meant';
  if (zones.size === 0) return 'none_known';
  return zones.has(own) ? 'as_meant' : 'none_in_own';
}
