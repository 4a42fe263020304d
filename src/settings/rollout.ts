/** How much of the traffic the router steers, and what it is compared with: docs/rollout.md. */
import { type Setting, setting } from './setting.ts';
import { choice, percent, strategy } from './values.ts';

export const ROLLOUT = {
  routingMode: setting(
    'Warmroute',
    ['WARMROUTE_MODE'],
    'route',
    'mode',
    choice(['route', 'shadow']),
    '`route`: requests go where the router says. `shadow`: it decides, records and exports all the same, and changes no request: Envoy balances as it would without it. [rollout.md](rollout.md).',
  ),
  rolloutPercent: setting(
    'Warmroute',
    ['WARMROUTE_ROLLOUT_PERCENT'],
    '100',
    'percent',
    percent(100),
    'This share of the requests goes where the router says; the others are left to Envoy, and compared (arm `left`). Which ones is told by a hash of `x-aibrix-session-key`, else `x-session-id`, else the request id: the same in every replica, and who is routed at one percentage is routed at every higher one. Fractions are allowed. [rollout.md](rollout.md).',
  ),
  shadowPolicy: setting(
    'Warmroute',
    ['WARMROUTE_SHADOW_POLICY'],
    undefined,
    'strategy',
    strategy,
    'A strategy, or a weighted list of some, as for `ROUTING_ALGORITHM`, that is asked beside the one in force: how often they differ, and what each pick would cost, are metrics (`warmroute_shadow_*`). Nothing follows of its picks. Unset: none. [rollout.md](rollout.md).',
  ),
} as const satisfies Record<string, Setting<unknown>>;
