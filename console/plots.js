/** Four plots over the same half hour, drawn by uPlot. */
import { element, setStyle, setText } from './dom.js';
import { percent, roundSeconds, seconds, whole } from './format.js';

/** @import { History } from './history.js' */
/** @import { Quantity } from '../src/ops/console/messages.ts' */
/** @import { Options, Series } from 'uplot' */

const HEIGHT = 132;
/** More lines nobody can tell apart. */
const MAX_PODS = 8;
const HALF_HOUR = 1_800;
/** A few samples do not fill half an hour. */
const LEAST_SHOWN = 300;

/**
 * `top`: of the axis; null: what the values need.
 * @typedef {{ name: string, values: (number | null)[], colour: string, fill: 'none' | 'faint' }} Line
 * @typedef {{ title: string, about: string, format: (value: number | null) => string, tick: (value: number) => string, top: number | null }} Face
 * @typedef {Face & { lines: (history: History) => Line[], note: (history: History) => string }} Plot
 */

/** @type {Plot[]} */
const PLOTS = [
  {
    ...{ title: 'Warm hit rate', about: 'prompt blocks that the picked pod held' },
    ...{ format: percent, tick: percent, top: 1.04, note: () => '' },
    lines: history => [
      { name: 'hit rate', values: history.series('hitRate'), colour: '--accent', fill: 'faint' },
    ],
  },
  {
    ...{ title: 'Time of a decision', about: 'from the body to the pick' },
    ...{ format: seconds, tick: roundSeconds, top: null, note: () => '' },
    lines: history => medianAndP99(history, 'decisionP50', 'decisionP99'),
  },
  {
    ...{ title: 'First byte', about: 'from the pick on, of sampled answers' },
    ...{ format: seconds, tick: roundSeconds, top: null, note: () => '' },
    lines: history => medianAndP99(history, 'firstByteP50', 'firstByteP99'),
  },
  {
    ...{ title: 'In flight', about: 'requests per pod' },
    ...{ format: whole, tick: value => (Number.isInteger(value) ? whole(value) : ''), top: null },
    lines: history => history.busiest(MAX_PODS).map(loadLine),
    note: ({ loads }) => (loads > MAX_PODS ? `and ${loads - MAX_PODS} pods with less` : ''),
  },
];

/** @param {History} history @param {Quantity} median @param {Quantity} p99 @returns {Line[]} */
function medianAndP99(history, median, p99) {
  return [
    { name: 'median', values: history.series(median), colour: '--accent', fill: 'none' },
    { name: 'p99', values: history.series(p99), colour: '--muted', fill: 'none' },
  ];
}

/** @param {{ pod: string, running: (number | null)[] }} load @param {number} i @returns {Line} */
function loadLine({ pod, running }, i) {
  return { name: pod, values: running, colour: `--line-${i + 1}`, fill: 'none' };
}

/** @param {HTMLElement} place */
export function createPlots(place) {
  const drawn = PLOTS.map(plot => drawPlot(place, plot));
  return {
    /** @param {History} history */
    show(history) {
      for (const each of drawn) each.show(history);
    },
    /** Colours are other ones now. */
    recolour() {
      for (const each of drawn) each.redraw();
    },
  };
}

/** @param {HTMLElement} place @param {Plot} plot */
function drawPlot(place, plot) {
  const legend = element('ul', { class: 'legend' });
  const canvas = element('div', { class: 'canvas' });
  const figure = element(
    'figure',
    { class: 'plot' },
    element(
      'figcaption',
      {},
      element('b', {}, plot.title),
      ' ',
      element('span', { class: 'muted' }, plot.about),
    ),
    canvas,
    legend,
  );
  canvas.setAttribute('role', 'img');
  place.append(figure);

  const note = element('li', { class: 'muted' });
  /** @type {uPlot | undefined} */
  let chart;
  /** @type {History | undefined} */
  let shown;
  let names = '';
  /** @type {HTMLElement[]} */
  let values = [];

  function redraw() {
    chart?.destroy();
    chart = undefined;
    if (shown !== undefined) show(shown);
  }

  /** @param {History} history */
  function show(history) {
    shown = history;
    const lines = plot.lines(history);
    const data = /** @type {[number[], ...(number | null)[][]]} */ ([
      history.at,
      ...lines.map(line => line.values),
    ]);
    const now = lines.map(({ name }) => name).join('\n');
    if (chart === undefined || now !== names) {
      names = now;
      chart?.destroy();
      chart = new uPlot(optionsOf(plot, lines, canvas.clientWidth, legendAt), data, canvas);
      values = lines.map(() => element('span', { class: 'value' }));
      legend.replaceChildren(
        ...lines.map(({ name, colour }, i) => {
          const swatch = element('i', {});
          setStyle(swatch, { background: `var(${colour})` });
          return element('li', {}, swatch, element('span', { class: 'name' }, name), ' ', values[i] ?? null);
        }),
        note,
      );
    } else chart.setData(data);
    const isEmpty = lines.every(line => line.values.every(value => value === null));
    setText(note, isEmpty ? 'nothing yet' : plot.note(history));
    legendAt(chart, chart.cursor.idx);
    const last = lines.slice(0, 2).map(line => `${line.name} ${plot.format(line.values.at(-1) ?? null)}`);
    canvas.setAttribute(
      'aria-label',
      `${plot.title}, last half hour; now: ${last.join(', ') || 'nothing yet'}`,
    );
  }

  /** What the pointer is at, or the newest that is known. @param {uPlot} of @param {number | null | undefined} at */
  function legendAt(of, at) {
    for (const [i, value] of values.entries()) {
      const series = of.data[i + 1] ?? [];
      setText(value, plot.format(series[at ?? series.length - 1] ?? null));
    }
  }

  new ResizeObserver(() => chart?.setSize({ width: canvas.clientWidth, height: HEIGHT })).observe(canvas);
  return { show, redraw };
}

/**
 * @param {Face} face
 * @param {Line[]} lines
 * @param {number} width
 * @param {(of: uPlot, at: number | null | undefined) => void} onCursor
 * @returns {Options}
 */
function optionsOf({ tick, top }, lines, width, onCursor) {
  const axis = {
    stroke: colour('--muted'),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    ...{ width, height: HEIGHT, legend: { show: false }, padding: [8, 14, 0, 0] },
    cursor: { sync: { key: 'time' }, drag: { x: false, y: false }, points: { size: 5 }, y: false },
    scales: {
      x: {
        time: true,
        range: (_, min, max) => [Math.max(max - HALF_HOUR, Math.min(min, max - LEAST_SHOWN)), max],
      },
      y: { range: (_, __, max) => [0, top ?? (max > 0 ? 1.1 * max : 1)] },
    },
    series: [
      {},
      ...lines.map(
        /** @returns {Series} */
        line => ({
          ...{
            label: line.name,
            stroke: colour(line.colour),
            width: 1.5,
            points: { show: true, size: 4, filter: alone },
          },
          ...(line.fill === 'faint' && { fill: colour('--accent-faint') }),
          spanGaps: false,
        }),
      ),
    ],
    axes: [
      { ...axis, size: 22, space: 45, grid: { show: false }, values: '{HH}:{mm}' },
      { ...axis, size: 52, space: 34, values: (_, ticks) => ticks.map(tick) },
    ],
    hooks: { setCursor: [of => onCursor(of, of.cursor.idx)] },
  };
}

/**
 * Values without a neighbour, which no line would show: points are drawn for these.
 * @param {uPlot} of
 * @param {number} line
 */
function alone(of, line) {
  const values = of.data[line] ?? [];
  return [...values.keys()].filter(i => values[i] != null && values[i - 1] == null && values[i + 1] == null);
}

/** As a canvas takes it: what the theme makes of the variable. @param {string} variable */
function colour(variable) {
  const probe = document.body.appendChild(element('i'));
  setStyle(probe, { color: `var(${variable})` });
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
