/** The table of pods. */
import { element, Rows, setStyle, setText } from './dom.js';
import { delay, longTime, percent, whole } from './format.js';
import { HEALTH_TONES } from './words.js';

/** @import { Now, PodView } from '../src/ops/console/messages.ts' */

/** @param {{ rows: HTMLElement, count: HTMLElement, empty: HTMLElement }} places */
export function createPods({ rows, count, empty }) {
  let most = 1;
  let allPicks = 0;
  const table = new Rows(
    rows,
    /** @param {PodView} view */ view => view.pod,
    view => podRow(view, () => ({ most, allPicks })),
  );
  empty.append(
    element('b', {}, 'No pod is known yet.'),
    ' Name the file that lists them in ',
    element('code', {}, 'WARMROUTE_PODS_FILE'),
    ', or let Kubernetes say which there are. What is in force, and what is wrong with it, says',
    element('pre', {}, 'warmroute check-config'),
  );

  return {
    /** @param {Now} now */
    show({ pods, podsLeftOut }) {
      most = Math.max(4, ...pods.map(({ inFlight }) => inFlight));
      allPicks = pods.reduce((sum, { picks }) => sum + picks, 0);
      table.show(pods);
      empty.hidden = pods.length > 0;
      setText(count, podsLeftOut > 0 ? `${pods.length} of ${pods.length + podsLeftOut}` : `${pods.length}`);
    },
  };
}

/** @param {PodView} view @param {() => { most: number, allPicks: number }} scale */
function podRow(view, scale) {
  const name = element('b', {}, view.pod);
  const where = element('span', { class: 'muted' });
  const health = element('span', { class: 'state' });
  const why = element('span', { class: 'muted why' });
  const inFlight = meter('In flight');
  const waiting = cell('Waiting');
  const usage = meter('KV cache in use');
  const blocks = cell('Blocks known');
  const lag = cell('Event lag');
  const picks = cell('Picks');
  const picksShare = element('span', { class: 'muted share' });
  const picksCount = element('span', {});
  picks.append(picksCount, ' ', picksShare);
  const row = element(
    'tr',
    {},
    element('th', { scope: 'row' }, name, ' ', where),
    element('td', { 'data-label': 'Health', class: 'wide' }, health, ' ', why),
    inFlight.cell,
    waiting,
    usage.cell,
    blocks,
    lag,
    picks,
  );
  return {
    element: row,
    /** @param {PodView} pod */
    update(pod) {
      const { most, allPicks } = scale();
      setText(where, `${pod.endpoint} · ${pod.model}${pod.zone === null ? '' : ` · zone ${pod.zone}`}`);
      setText(health, pod.isReady ? pod.health : `${pod.health}, not ready`);
      health.dataset.tone = pod.isReady ? HEALTH_TONES[pod.health] : 'waiting';
      setText(why, `${pod.why}${pod.why && ' · '}${longTime(pod.forMs)}`);
      inFlight.show(whole(pod.inFlight), pod.inFlight / most);
      setText(waiting, whole(pod.engine?.waiting));
      usage.show(percent(pod.engine?.kvUsage), pod.engine?.kvUsage ?? 0);
      setText(blocks, whole(pod.events?.blocks));
      setText(lag, delay(pod.events?.lagSeconds));
      setText(picksCount, whole(pod.picks));
      setText(picksShare, allPicks === 0 ? '' : percent(pod.picks / allPicks));
    },
  };
}

/** @param {string} label */
function cell(label) {
  return element('td', { 'data-label': label, class: 'number' });
}

/** A number over a bar. @param {string} label */
function meter(label) {
  const text = element('span', {});
  const bar = element('span', { class: 'meter', 'aria-hidden': 'true' }, element('i'));
  const made = cell(label);
  made.append(text, bar);
  return {
    cell: made,
    /** @param {string} value @param {number} share */
    show(value, share) {
      setText(text, value);
      setStyle(bar, { '--share': String(Math.min(1, share)) });
    },
  };
}
