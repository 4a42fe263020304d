/** Numbers and times as they are shown. */

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const NONE = '–';

/** @param {number | null | undefined} value */
export function whole(value) {
  if (value == null) return NONE;
  return value < 100_000 ? WHOLE.format(value) : COMPACT.format(value);
}

/** @param {number | null | undefined} value per second */
export function rate(value) {
  if (value == null) return NONE;
  return value < 10 ? value.toFixed(1) : whole(value);
}

/** @param {number | null | undefined} share from 0 to 1 */
export function percent(share) {
  return share == null ? NONE : `${Math.round(100 * share)} %`;
}

/** Three digits and a unit. @param {number | null | undefined} value @returns {string} */
export function seconds(value) {
  if (value == null) return NONE;
  if (value < 0) return `−${seconds(-value)}`;
  if (value === 0) return '0 s';
  if (value < 0.000_999_5) return `${digits(1e6 * value)} µs`;
  if (value < 0.999_5) return `${digits(1e3 * value)} ms`;
  if (value < 120) return `${digits(value)} s`;
  return longTime(1_000 * value);
}

/** Of events. Clocks of two hosts, and engines’ timestamps, are no finer. @param {number | null | undefined} value in seconds */
export function delay(value) {
  return value != null && Math.abs(value) < 0.001 ? '< 1 ms' : seconds(value);
}

/** Roughly. @param {number} milliseconds */
export function longTime(milliseconds) {
  const units = /** @type {const} */ ([
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
  ]);
  for (const [size, unit] of units)
    if (milliseconds >= size) return `${Math.floor(milliseconds / size)} ${unit}`;
  return `${Math.max(0, Math.floor(milliseconds / 1_000))} s`;
}

/** Hours to seconds, of this browser's zone. @param {number | string} at milliseconds since the epoch, or ISO 8601 */
export function clock(at) {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map(each => String(each).padStart(2, '0'))
    .join(':');
}

/** With milliseconds. @param {string} at */
export function exactClock(at) {
  return `${clock(at)}.${String(new Date(at).getMilliseconds()).padStart(3, '0')}`;
}

/** @param {number} value */
function digits(value) {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : String(Math.round(value));
}

/** Without zeros at the end: for an axis. @param {number} value */
export function roundSeconds(value) {
  const [number, unit] = seconds(value).split(' ');
  return `${Number(number)} ${unit}`;
}

/**
 * What is not well stands first: where some that are shown are well, so are those that are left out, and otherwise nothing is known of them.
 * @param {number} well @param {number} shown @param {number} leftOut
 */
export function wellOfAll(well, shown, leftOut) {
  const others = well > 0 ? leftOut : 0;
  return `${whole(well + others)} / ${whole(shown + others)}`;
}
