import { traceFile } from '../../src/simulation/trace/trace-file.ts';
import type { Trace } from '../../src/simulation/trace/trace-request.ts';
import { traceOf, WORKLOADS } from '../../src/simulation/workloads/workloads.ts';

/** What is played: a generated workload, or a trace file. */
export type Played =
  | { readonly kind: 'generated'; readonly name: string; readonly minutes: number }
  | { readonly kind: 'file'; readonly path: string };

export function playedTrace(played: Played, seed: number): Trace {
  return played.kind === 'file'
    ? traceFile(played.path)
    : traceOf(WORKLOADS[played.name]!, seed, played.minutes);
}
