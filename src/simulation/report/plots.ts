/** Plots as SVG: scales and curves are d3's, which need no browser. Colours follow the page that they are shown in. */
import { type ScaleContinuousNumeric, scaleBand, scaleLinear, scaleLog, scalePoint } from 'd3-scale';
import { line } from 'd3-shape';
import { escaped } from './markup.ts';

export interface Bar {
  readonly label: string;
  readonly value: number;
}

export interface Curve {
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

interface Titles {
  readonly title: string;
  /** With its unit. */
  readonly axis: string;
}

const WIDTH = 720;
const MARGIN = { top: 40, right: 24, bottom: 48, left: 168 };
const BAR_HEIGHT = 22;
const CURVES_HEIGHT = 420;
const LEGEND_LINE = 18;
/** Okabe and Ito's, which colour-blind people can tell apart. */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#8c6bb1', '#7f7f7f'];
const DASHES = ['', '6 3', '2 3'];

/** One bar a label, from 0 on. */
export function bars(
  { title, axis }: Titles,
  all: readonly Bar[],
  format: (value: number) => string,
): string {
  const height = MARGIN.top + BAR_HEIGHT * all.length + MARGIN.bottom;
  const labels = all.map(({ label }) => label);
  const x = scaleLinear(
    [0, Math.max(...all.map(({ value }) => value)) || 1],
    [MARGIN.left, WIDTH - MARGIN.right - 48],
  ).nice();
  const y = scaleBand(labels, [MARGIN.top, height - MARGIN.bottom]).padding(0.2);
  const parts = all.map(({ label, value }) => {
    const top = y(label)!;
    const middle = top + y.bandwidth() / 2;
    return [
      `<text x="${MARGIN.left - 8}" y="${at(middle)}" class="label" text-anchor="end" dominant-baseline="central">${escaped(label)}</text>`,
      `<rect x="${at(x(0))}" y="${at(top)}" width="${at(x(value) - x(0))}" height="${at(y.bandwidth())}" fill="${COLOURS[0]}"/>`,
      `<text x="${at(x(value) + 6)}" y="${at(middle)}" class="label" dominant-baseline="central">${escaped(format(value))}</text>`,
    ].join('');
  });
  return svg(title, height, [bottomAxis(x, axis, height), ...parts]);
}

/** Curves with a logarithmic x axis; y goes from 0 to 1. */
export function shares(titles: Titles, curves: readonly Curve[]): string {
  const xs = valuesOf(curves).filter(value => value > 0);
  return sharesOn(
    scaleLog([Math.min(...xs, 1), Math.max(...xs, 10)], [64, WIDTH - MARGIN.right]),
    titles,
    curves,
  );
}

/** Curves from 0 on; y goes from 0 to 1. */
export function sharesOverTime(titles: Titles, curves: readonly Curve[]): string {
  return sharesOn(
    scaleLinear([0, Math.max(...valuesOf(curves), 1)], [64, WIDTH - MARGIN.right]),
    titles,
    curves,
  );
}

function valuesOf(curves: readonly Curve[]): number[] {
  return curves.flatMap(({ points }) => points.map(([value]) => value));
}

function sharesOn(
  x: ScaleContinuousNumeric<number, number>,
  { title, axis }: Titles,
  curves: readonly Curve[],
): string {
  const height = CURVES_HEIGHT + LEGEND_LINE * curves.length;
  const bottom = CURVES_HEIGHT - MARGIN.bottom;
  x.clamp(true);
  const y = scaleLinear([0, 1], [bottom, MARGIN.top]);
  const path = line<readonly [number, number]>(
    ([value]) => x(value),
    ([, share]) => y(share),
  ).digits(1);
  const legend = scalePoint(
    curves.map((_, i) => i),
    [CURVES_HEIGHT, CURVES_HEIGHT + LEGEND_LINE * Math.max(0, curves.length - 1)],
  );
  const grid = y.ticks(5).map(tick => {
    const top = at(y(tick));
    return `<line x1="64" x2="${WIDTH - MARGIN.right}" y1="${top}" y2="${top}" class="grid"/><text x="56" y="${top}" class="tick" text-anchor="end" dominant-baseline="central">${Math.round(100 * tick)} %</text>`;
  });
  const lines = curves.map(({ label, points }, i) => {
    const top = legend(i)!;
    const style = `fill="none" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="2" stroke-dasharray="${DASHES[Math.floor(i / COLOURS.length) % DASHES.length]}"`;
    return `<path d="${path(points)}" ${style}/><line x1="64" x2="96" y1="${at(top)}" y2="${at(top)}" ${style}/><text x="104" y="${at(top)}" class="label" dominant-baseline="central">${escaped(label)}</text>`;
  });
  return svg(title, height, [bottomAxis(x, axis, CURVES_HEIGHT), ...grid, ...lines]);
}

function bottomAxis(x: ScaleContinuousNumeric<number, number>, axis: string, height: number): string {
  const top = height - MARGIN.bottom;
  const format = x.tickFormat(6, '~g');
  const ticks = x.ticks(6).map(tick => {
    const left = at(x(tick));
    return `<line x1="${left}" x2="${left}" y1="${MARGIN.top}" y2="${top}" class="grid"/><text x="${left}" y="${top + 16}" class="tick" text-anchor="middle">${format(tick)}</text>`;
  });
  const middle = x.range().reduce((sum, end) => sum + end, 0) / 2;
  return `${ticks.join('')}<text x="${at(middle)}" y="${top + 36}" class="tick" text-anchor="middle">${escaped(axis)}</text>`;
}

function svg(title: string, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}" color="#555">`,
    '<style>text{font:12px system-ui,sans-serif;fill:currentColor}.title{font-size:15px;font-weight:600}.tick{font-size:11px}.grid{stroke:currentColor;stroke-opacity:.18}</style>',
    `<text x="16" y="24" class="title">${escaped(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** A tenth of a pixel: the same text on every machine. */
function at(value: number): number {
  return Math.round(10 * value) / 10;
}
