import type { Snapshot } from '../routing/policy.ts';
import type { TraceRequest } from './trace/trace-request.ts';

/** What a policy sees of a request and of the pods: what the router's own policies see, and the work of each pod in tokens. */
export interface WorkSnapshot extends Snapshot {
  readonly request: TraceRequest;
  readonly blockSizeTokens: number;
  /** Per pod: tokens of prompts sent there that its cache did not have and that it has not announced since. */
  readonly queuedTokens: ArrayLike<number>;
  /** Per pod: requests whose prompts it has computed, and that have not ended. */
  readonly decoding: ArrayLike<number>;
  /** Per pod: prompt tokens that it computes in a millisecond, as learned from its announcements. */
  readonly prefillRate: ArrayLike<number>;
}

/** What is simulated: a choice, which may keep an account of where its requests are. One is made for each run. */
export interface SimulatedPolicy {
  /** The chosen pod's place in the snapshot's list. */
  pick(snapshot: WorkSnapshot): number;
  /** The request has been sent to the pod in this place of the list; returns what is to be called when it ends. */
  sent(index: number, request: TraceRequest): () => void;
}

export interface NamedPolicy {
  readonly name: string;
  readonly create: () => SimulatedPolicy;
  /** How often it reads the engines' metrics; undefined: as the simulation is told. */
  readonly metricsIntervalMs?: number;
}

/** A policy that keeps no account. */
export function withoutAccount(pick: SimulatedPolicy['pick']): SimulatedPolicy {
  return { pick, sent: () => () => {} };
}
