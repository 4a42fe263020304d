/** Labels that several metrics have. None has a value that a client chooses. */
import { STRATEGIES, type StrategyLabel, type StrategyName } from '../../domain.ts';
import type { ClosedLabel } from './instrument.ts';

export const POD = { names: 'the name of a pod' };
export const RANK = { names: 'a data-parallel rank of the pod' };
/** Of what a client asks for only what a pod serves; an empty one stands for any. */
export const MODEL = { names: 'a model, alias or adapter that a pod serves' };
export const STRATEGY_NAME: ClosedLabel<StrategyName> = STRATEGIES;
/** A list of several is one value, however it is weighted. */
export const STRATEGY: ClosedLabel<StrategyLabel> = [...STRATEGIES, 'weighted'];

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
