import type { FleetOptions } from '../fleet.ts';
import type { Measured } from '../measures.ts';
import type { RunResult } from '../simulate.ts';

/** What was simulated: all that the results depend on beside the policy and the seed. */
export interface Setup extends FleetOptions {
  /** Files and generated workloads. */
  readonly traces: readonly string[];
  /** So many times the traces' rate. */
  readonly load: number;
  /** Of generated workloads. */
  readonly minutes: number;
  /** Requests that arrived before were not measured. */
  readonly warmUpMs: number;
}

/** One policy with one seed. */
export interface PolicyResult extends Measured {
  readonly policy: string;
  readonly seed: number;
  /** From arrival to first token: the 0th to the 100th percentile, milliseconds. */
  readonly firstTokenPercentilesMs: readonly number[];
}

export interface Results {
  readonly setup: Setup;
  readonly runs: readonly PolicyResult[];
}

export function policyResult(policy: string, seed: number, result: RunResult): PolicyResult {
  const { firstTokensMs: sorted, ...measured } = result;
  const percentiles = Array.from({ length: 101 }, (_, percent) => {
    return rounded(sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0);
  });
  return { policy, seed, ...measured, firstTokenPercentilesMs: percentiles };
}

/** Numbers with six digits. */
export function jsonOf(results: unknown): string {
  return `${JSON.stringify(results, (_, value) => (typeof value === 'number' ? rounded(value) : value), 2)}\n`;
}

/** One line a run. */
export function csvOf({ runs }: Results): string {
  const lines = runs.map(run => {
    const { computedTokens, firstTokenPercentilesMs, firstTokenMs, queueMs, requestMs, ...plain } = run;
    const flat: Record<string, string | number> = { ...plain };
    for (const [name, distribution] of Object.entries({ firstTokenMs, queueMs, requestMs })) {
      for (const [part, value] of Object.entries(distribution)) flat[`${name}.${part}`] = value;
    }
    return flat;
  });
  const columns = Object.keys(lines[0] ?? {});
  const rows = lines.map(line => columns.map(column => cell(line[column]!)).join(','));
  return [columns.join(','), ...rows, ''].join('\n');
}

/** Quoted where it has to be; text that a spreadsheet would take for a formula is none. */
function cell(value: string | number): string {
  if (typeof value === 'number') return String(rounded(value));
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Six digits: beyond them there is only how floating-point numbers add up. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(6));
}
