/** Requests that the router does not steer, and policies that are compared: docs/rollout.md. */
import type { ClientError } from '../../domain.ts';
import { allOf, type ClosedLabel, counter, gauge } from './instrument.ts';
import { MODEL, STRATEGY } from './labels.ts';

const ERROR = allOf<ClientError['kind']>()(
  ...(['malformed_body', 'unknown_model', 'bad_strategy', 'no_ready_pod', 'no_allowed_pod'] as const),
  ...(['bad_filter', 'path_refused', 'body_too_large', 'shed'] as const),
);
/** Of two policies. */
const BY: ClosedLabel<'active' | 'shadow'> = ['active', 'shadow'];

export const ROLLOUT_METRICS = {
  mode: gauge('warmroute_mode', {
    unit: 'flag',
    labels: { mode: allOf<'route' | 'shadow'>()('route', 'shadow') },
    help: '1 for what `WARMROUTE_MODE` says: whether requests go where the router says, or all of them are left to Envoy',
    bad: '`shadow`, and everybody believes that requests are routed; or replicas that differ.',
  }),
  left: counter('warmroute_left_requests_total', {
    unit: 'requests',
    labels: { model: MODEL, why: allOf<'shadow' | 'rollout'>()('shadow', 'rollout') },
    help: 'Requests that were decided and left to Envoy, by why: in shadow mode, or of the share that `WARMROUTE_ROLLOUT_PERCENT` leaves out. All metrics of decisions count them as well',
    bad: 'Any, where the rollout is over.',
  }),
  leftRejections: counter('warmroute_left_rejections_total', {
    unit: 'requests',
    labels: { kind: ERROR },
    help: 'Requests that would have been answered with an error, by kind, and were left to Envoy instead',
    bad: 'Any that are served well as it is: their clients will be refused once they are routed. `unknown_model`: the router does not know all pods or names.',
  }),
  agreement: counter('warmroute_shadow_agreement_total', {
    unit: 'requests',
    labels: { model: MODEL, went: allOf<'same' | 'other' | 'unknown'>()('same', 'other', 'unknown') },
    help: 'Requests left to Envoy that are over, by whether they went to the pod that the router would have sent them to; `unknown`: Envoy does not say who has served',
    bad: 'Much `unknown`: Envoy shows no response (`response_header_mode`, `allow_mode_override`), or not by whom (`response_attributes`); neither load nor histories can be followed then.',
  }),
  shadowPicks: counter('warmroute_shadow_picks_total', {
    unit: 'requests',
    labels: { policy: STRATEGY, same: ['true', 'false'] },
    help: 'Decisions in which `WARMROUTE_SHADOW_POLICY` was asked as well, by whether it has picked the same pod',
    bad: 'None; it is there to compare with.',
  }),
  shadowCost: counter('warmroute_shadow_cost_seconds_total', {
    unit: 'seconds',
    labels: { policy: STRATEGY, picked_by: BY },
    help: 'What `prefix-cost` reckons the pods of these decisions to cost: time to the first token, with the price for others, of what the policy in force has picked (`active`) and of what the other one would have',
    bad: '`shadow` well below `active`: the other policy would do better, as far as `prefix-cost` reckons right.',
  }),
  shadowCached: counter('warmroute_shadow_cached_tokens_total', {
    unit: 'tokens',
    labels: { policy: STRATEGY, picked_by: BY },
    help: 'Prompt tokens that the pods of these decisions hold, by which policy has picked them',
    bad: '`shadow` well above `active`: the other policy would find more in the caches.',
  }),
};
