/** Labels that several metrics have. None has a value that a client chooses. */
import { type Reason, STRATEGIES, type StrategyLabel, type StrategyName } from '../../domain.ts';
import { allOf, type ClosedLabel } from './instrument.ts';

export const POD = { names: 'the name of a pod' };
export const RANK = { names: 'a data-parallel rank of the pod' };
/** Of what a client asks for only what a pod serves; an empty one stands for any. */
export const MODEL = { names: 'a model, alias or adapter that a pod serves' };
export const ENDPOINT = { names: 'an endpoint with a prompt (docs/paths.md)' };
export const STRATEGY_NAME: ClosedLabel<StrategyName> = STRATEGIES;
/** A list of several is one value, however it is weighted. */
export const STRATEGY: ClosedLabel<StrategyLabel> = [...STRATEGIES, 'weighted'];
/** Why a pod was picked; nobody who has gone is counted. */
export const REASON = allOf<Exclude<Reason, 'cancelled'>>()(
  ...([
    'prefix_match',
    'prefix_match_skipped',
    'no_match',
    'control',
    'history_match',
    'response_owner',
  ] as const),
  ...(['only_pod', 'no_prompt', 'trial', 'all_failing', 'private_key', 'no_token_form'] as const),
  ...(['prompt_refused', 'tokenizer_failed', 'deadline', 'index_failed', 'late_body'] as const),
  ...([
    'buffers_full',
    'unknown_encoding',
    'too_intricate',
    'any_pod',
    'session_id',
    'session_key',
    'no_session',
  ] as const),
  ...(['no_engine_metrics', 'least-request', 'random', 'round-robin', 'power-of-two'] as const),
  ...(['least-kv-cache', 'least-gpu-cache', 'least-latency', 'throughput'] as const),
  ...(['least-busy-time', 'least-utilization', 'weighted'] as const),
);

/** From a microsecond, which a look-up takes, to the deadline of a decision. */
export const STAGE_SECONDS = [
  ...[1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3],
  ...[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
];
/** What goes over the network, up to a time-out. */
export const CALL_SECONDS = [
  ...[1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30, 60],
];
