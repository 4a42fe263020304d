/** Which requests are sent where the router says, and which ones Envoy balances as before. */
import { hash } from 'node:crypto';
import type { WhyLeft } from '../../domain.ts';
import type { Session } from '../policy.ts';

/**
 * What a decision means for its request:
 * - `steered`: it is carried out;
 * - `left`: Envoy’s own routes and balancing serve the request, which loses what only the router may write;
 * - `observed`: the same, and nothing at all is changed about it.
 */
export type Steering = 'steered' | 'left' | 'observed';

/** undefined: the request is not left to Envoy. */
export function whyLeft(steering: Steering): WhyLeft | undefined {
  switch (steering) {
    case 'steered':
      return undefined;
    case 'left':
      return 'rollout';
    case 'observed':
      return 'shadow';
  }
}

/** @param requestId of a request that names no session */
export type SteeringOf = (session: Session, requestId: string) => Steering;

export interface RolloutOptions {
  readonly mode: 'route' | 'shadow';
  /** Of the requests in mode `route`, from 0 to 100. */
  readonly percent: number;
}

export function createRollout({ mode, percent }: RolloutOptions): SteeringOf {
  if (mode === 'shadow') return () => 'observed';
  if (percent >= 100) return () => 'steered';
  return (session, requestId) =>
    100 * placeOf(session.key || session.id || requestId) < percent ? 'steered' : 'left';
}

/** Keeps the places apart from what others make of hashes of the same names. */
const SALT = 'warmroute rollout ';

/**
 * From 0 to below 1, the same in every replica and every version: whoever is steered at one percentage is steered at every higher one.
 */
export function placeOf(name: string): number {
  return hash('sha256', SALT + name, 'buffer').readUInt32BE(0) / 2 ** 32;
}
