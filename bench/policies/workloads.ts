import { atLoad } from '../../src/simulation/trace/merged.ts';
import { traceFile } from '../../src/simulation/trace/trace-file.ts';
import type { Trace } from '../../src/simulation/trace/trace-request.ts';
import { traceOf, WORKLOADS } from '../../src/simulation/workloads/workloads.ts';

/** What is played: a generated workload, or a trace file. */
export type Played =
  | { readonly kind: 'generated'; readonly name: string; readonly minutes: number }
  | { readonly kind: 'file'; readonly path: string };

/** At a higher load a generated workload has more requests, and takes as long. */
export function playedTrace(played: Played, seed: number, load: number): Trace {
  const trace =
    played.kind === 'file'
      ? traceFile(played.path)
      : traceOf(WORKLOADS[played.name]!, seed, load * played.minutes);
  return atLoad(trace, load);
}
