import { isReached, type Row } from './measure.ts';

/** A Markdown table; a row that misses what it is to reach has **missed** at its end. */
export function tableOf(rows: readonly Row[]): string {
  const cells = [
    ['name', 'value', 'ratio', 'reach', ''],
    ...rows.map(row => [
      row.name,
      `${short(row.value)} ${row.unit}`,
      ratioOf(row),
      reachOf(row),
      markOf(row),
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(3, ...cells.map(row => row[column]!.length)));
  const lines = cells.map(
    row => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`,
  );
  lines.splice(1, 0, `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`);
  return lines.join('\n');
}

function ratioOf({ ratio }: Row): string {
  return ratio === undefined ? '' : `${short(ratio.value)} × ${ratio.to}`;
}

function reachOf({ reach }: Row): string {
  if (reach === undefined) return '';
  const sign = reach.must === 'at least' ? '≥' : '≤';
  return `${sign} ${short(reach.number)}${reach.of === 'ratio' ? ' ×' : ''}`;
}

function markOf(row: Row): string {
  const reached = isReached(row);
  if (reached === undefined) return row.reach === undefined ? '' : 'not compared';
  return reached ? 'ok' : '**missed**';
}

/** Three digits. */
function short(value: number): string {
  if (value >= 999.5) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}
