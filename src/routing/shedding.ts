/** When requests are dropped that may be: while every pod that they could go to has enough to do. */
import type { EngineLoad, Pod } from '../domain.ts';

export interface SheddingOptions {
  /** Requests at which a pod has enough to do. */
  readonly queue: number;
  /** Requests that a pod has: `queueAt`. */
  readonly queueOf: (pod: Pod) => number;
}

/** Whether all of these pods have enough to do. @param pods not empty */
export type AreFull = (pods: readonly Pod[]) => boolean;

export function createShedding({ queue, queueOf }: SheddingOptions): AreFull {
  return pods => pods.every(pod => queueOf(pod) >= queue);
}

/** Those that this router has in flight there, or all that the engine says run and wait there: it may have other clients. */
export function queueAt(inFlight: number, engine: EngineLoad): number {
  return engine.kind === 'known' ? Math.max(inFlight, engine.running + engine.waiting) : inFlight;
}
