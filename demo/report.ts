import type { Measured } from './client.ts';
import type { Run } from './runs.ts';

/** Of a run's column. */
const WIDTH = 14;

const COLUMNS = [
  ['request', 11],
  ['pod', 10],
  ['matched', 9],
  ['reason', 14],
  ['first token', 11],
] as const;

export function tableHeader(): string {
  return row(COLUMNS.map(([title]) => title));
}

export function tableRow(measured: Measured): string {
  const { turn, pod, matchedBlocks, totalBlocks, reason, timeToFirstTokenMs } = measured;
  return row([
    `${turn.conversation} ${turn.turn}`,
    pod,
    totalBlocks > 0 ? `${matchedBlocks}/${totalBlocks}` : '-',
    reason,
    `${timeToFirstTokenMs.toFixed(0).padStart(8)} ms`,
  ]);
}

/** Runs side by side. */
export function comparison(runs: readonly Run[]): string {
  const line = (name: string, value: (requests: readonly Measured[]) => string) =>
    `  ${name.padEnd(37)}${runs.map(({ requests }) => value(requests).padStart(WIDTH)).join('')}`;
  return [
    `  ${''.padEnd(37)}${runs.map(({ strategy }) => strategy.padStart(WIDTH)).join('')}`,
    line('prompt tokens found in the cache', run => `${(100 * hitRate(run)).toFixed(0)} %`),
    line('time to first token, median', run => `${percentile(run, 0.5).toFixed(0)} ms`),
    line('time to first token, 90th percentile', run => `${percentile(run, 0.9).toFixed(0)} ms`),
  ].join('\n');
}

function hitRate(run: readonly Measured[]): number {
  const sum = (value: (measured: Measured) => number) =>
    run.reduce((total, measured) => total + value(measured), 0);
  return sum(measured => measured.cachedTokens) / sum(measured => measured.promptTokens);
}

function percentile(run: readonly Measured[], share: number): number {
  const sorted = run.map(measured => measured.timeToFirstTokenMs).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

function row(cells: readonly string[]): string {
  return `  ${cells.map((cell, i) => cell.padEnd(COLUMNS[i]![1])).join('  ')}`.trimEnd();
}
