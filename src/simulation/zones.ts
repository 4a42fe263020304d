import { createZonePenalties, type ZonePenalties } from '../routing/strategies/zone-penalties.ts';
import { seededRandom } from './random.ts';

/** Zones that pods and clients are spread over. */
export interface SimulatedZones {
  readonly count: number;
  /** What a pod in another zone than the request costs in the policy, `WARMROUTE_ZONE_PENALTY_MS`. */
  readonly penaltyMs: number;
  /** What the way to another zone and back adds to the time to the first token. */
  readonly latencyMs: number;
}

export const ONE_ZONE: SimulatedZones = { count: 1, penaltyMs: 0, latencyMs: 0 };

/** Other numbers than a policy draws with the same seed. */
const SEED_OF_ZONES = 0x20e5;

/** Of the pod in this place: they are in the zones in turn. */
export function zoneOfPod(place: number, { count }: SimulatedZones): string {
  return `zone-${place % count}`;
}

/** Where a request comes from, and what pods cost its router. */
export interface Origin {
  readonly zone: string;
  readonly penaltiesOf: ZonePenalties;
}

/** Draws where each request comes from, from any zone with equal chance: the same zones for the same seed, whatever the policy. */
export function originsOf(zones: SimulatedZones, seed: number): () => Origin {
  const random = seededRandom(seed ^ SEED_OF_ZONES);
  const origins = Array.from({ length: zones.count }, (_, i): Origin => {
    const zone = zoneOfPod(i, zones);
    return { zone, penaltiesOf: createZonePenalties(zone, zones.penaltyMs) };
  });
  return () => origins[Math.floor(random() * origins.length)]!;
}
