import type { PolicyResult, Results } from './results.ts';

/** One column: what it is called, and what of a run is in it. */
interface Column {
  readonly title: string;
  readonly of: (run: PolicyResult) => string;
}

/** Cells of the runs, the titles first. */
export function rowsOf({ setup, runs }: Results): readonly (readonly string[])[] {
  const columns = [
    ...COLUMNS,
    ...(setup.zones.count > 1 ? [OTHER_ZONE] : []),
    ...(runs.some(({ refused }) => refused > 0) ? [REFUSED] : []),
  ];
  return [columns.map(({ title }) => title), ...runs.map(run => columns.map(({ of }) => of(run)))];
}

/** For a terminal; also a table in Markdown. */
export function tableOf(results: Results): string {
  return textTable(rowsOf(results));
}

/** The same of any cells, the titles first: the first column on the left, the others on the right. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line), ''].join('\n');
}

const COLUMNS: readonly Column[] = [
  { title: 'policy', of: ({ policy }) => policy },
  { title: 'seed', of: ({ seed }) => String(seed) },
  { title: 'hit rate', of: ({ hitRate }) => percent(hitRate) },
  { title: 'of reachable', of: ({ hitRateOfReachable }) => percent(hitRateOfReachable) },
  { title: 'TTFT mean s', of: ({ firstTokenMs }) => seconds(firstTokenMs.mean) },
  { title: 'p50', of: ({ firstTokenMs }) => seconds(firstTokenMs.p50) },
  { title: 'p90', of: ({ firstTokenMs }) => seconds(firstTokenMs.p90) },
  { title: 'p99', of: ({ firstTokenMs }) => seconds(firstTokenMs.p99) },
  { title: 'queue mean s', of: ({ queueMs }) => seconds(queueMs.mean) },
  { title: 'request mean s', of: ({ requestMs }) => seconds(requestMs.mean) },
  { title: 'imbalance', of: ({ imbalance }) => imbalance.toFixed(2) },
  { title: 'accuracy', of: ({ accuracy }) => percent(accuracy) },
  { title: 'utilization', of: ({ utilization }) => percent(utilization) },
];

const OTHER_ZONE: Column = { title: 'other zone', of: ({ otherZone }) => percent(otherZone) };
const REFUSED: Column = { title: 'refused', of: ({ refused }) => String(refused) };

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1_000).toFixed(3);
}
