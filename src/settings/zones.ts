/** Where the router is, and what it costs to send a request somewhere else: docs/policies.md, Zones. */
import { type Setting, setting } from './setting.ts';
import { wholeNumber, zone } from './values.ts';

/** A minute: nobody waits so long for a pod that is near. */
const MAX_PENALTY_MS = 60_000;

export const ZONES = {
  zone: setting(
    'Warmroute',
    ['WARMROUTE_ZONE'],
    undefined,
    'zone',
    zone,
    'The zone that this router runs in, as the label `topology.kubernetes.io/zone` has it; the chart takes it from the router’s own pod. Unset: pods’ zones do not matter.',
  ),
  zonePenaltyMs: setting(
    'Warmroute',
    ['WARMROUTE_ZONE_PENALTY_MS'],
    '10',
    'ms',
    wholeNumber(0, MAX_PENALTY_MS),
    'How much sooner the first token must be expected of a pod in another zone than of one in `WARMROUTE_ZONE` for `prefix-cost` to send a request there: the price of the network between zones. 0: zones do not matter. [policies.md](policies.md#zones).',
  ),
} as const satisfies Record<string, Setting<unknown>>;
