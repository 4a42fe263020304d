/** The table of event streams, each with the states that it has been in. */
import { element, Rows, setStyle, setText } from './dom.js';
import { clock, delay, longTime, whole } from './format.js';
import { STREAM_STATES, spaced, streamReason } from './words.js';

/** @import { Now, PublisherView, StateChange, Welcome } from '../src/ops/console/messages.ts' */

const SHOWN_MS = 30 * 60_000;
const KEPT = 32;

/** @param {{ rows: HTMLElement, count: HTMLElement, empty: HTMLElement }} places */
export function createStreams({ rows, count, empty }) {
  /** @type {Map<string, StateChange[]>} */
  let changes = new Map();
  let now = 0;
  const table = new Rows(
    rows,
    keyOf,
    /** @param {PublisherView} publisher */ publisher =>
      streamRow(publisher, () => ({ now, changes: changes.get(keyOf(publisher)) ?? [] })),
  );

  /** @param {StateChange} change */
  function add(change) {
    const key = keyOf(change);
    changes.set(key, [...(changes.get(key) ?? []), change].slice(-KEPT));
  }

  return {
    /** @param {Welcome} welcome */
    restart(welcome) {
      changes = new Map();
      for (const change of welcome.changes) add(change);
      empty.replaceChildren(...emptyText(welcome.usesKvEvents));
    },
    add,
    /** @param {Now} told */
    show({ at, publishers, publishersLeftOut }) {
      now = at;
      const keys = new Set(publishers.map(keyOf));
      if (publishersLeftOut === 0) for (const key of changes.keys()) if (!keys.has(key)) changes.delete(key);
      table.show(publishers);
      empty.hidden = publishers.length > 0;
      const shown = publishers.length;
      setText(count, publishersLeftOut > 0 ? `${shown} of ${shown + publishersLeftOut}` : `${shown}`);
    },
  };
}

/** @param {{ pod: string, rank: number }} stream */
function keyOf({ pod, rank }) {
  return `${rank} ${pod}`;
}

/** @param {boolean} usesKvEvents */
function emptyText(usesKvEvents) {
  return usesKvEvents
    ? [
        element('b', {}, 'No pod publishes events.'),
        ' Give the pods ',
        element('code', {}, 'kvEvents'),
        ' (docs/events.md), or what they hold is not known.',
      ]
    : [
        element('b', {}, 'Events are not followed:'),
        ' what pods hold is guessed from what was sent there. To know it, have engines publish their events and set',
        element('pre', {}, 'AIBRIX_USE_REMOTE_TOKENIZER=true\nAIBRIX_KV_EVENT_SYNC_ENABLED=true'),
      ];
}

/** @param {PublisherView} publisher @param {() => { now: number, changes: StateChange[] }} read */
function streamRow({ pod, rank }, read) {
  const where = element('span', { class: 'muted' });
  const state = element('span', { class: 'state' });
  const why = element('span', { class: 'muted why' });
  const strip = element('span', { class: 'strip', role: 'img' });
  const list = element('ol', { class: 'changes' });
  const summary = element('summary', {}, strip);
  const past = element('details', {}, summary, list);
  const sequence = cell('Sequence');
  const lag = cell('Lag');
  const blocks = cell('Blocks');
  const gaps = cell('Gaps');
  const replays = cell('Replays');
  const restarts = cell('Restarts');
  let drawn = '';
  const row = element(
    'tr',
    {},
    element('th', { scope: 'row' }, element('b', {}, pod), rank === 0 ? null : ` rank ${rank}`, ' ', where),
    element('td', { 'data-label': 'State', class: 'wide' }, state, ' ', why),
    element('td', { 'data-label': 'Last half hour', class: 'wide' }, past),
    ...[sequence, lag, blocks, gaps, replays, restarts],
  );
  return {
    element: row,
    /** @param {PublisherView} publisher */
    update(publisher) {
      const { now, changes } = read();
      setText(where, publisher.endpoint ?? 'connects to us');
      const { tone, means } = STREAM_STATES[publisher.state];
      setText(state, spaced(publisher.state));
      state.dataset.tone = tone;
      setText(why, publisher.why === null ? means : `${streamReason(publisher.why)}: ${means}`);
      setText(sequence, whole(publisher.sequence));
      setText(lag, delay(publisher.lagSeconds));
      setText(blocks, whole(publisher.blocks));
      setText(gaps, whole(publisher.gaps));
      setText(replays, whole(publisher.replays));
      setText(restarts, whole(publisher.restarts));
      for (const each of [gaps, restarts]) each.classList.toggle('zero', each.textContent === '0');

      drawStrip(strip, changes, now);
      const { lastError } = publisher;
      const signature = `${changes.at(-1)?.at} ${changes.length} ${lastError?.at}`;
      if (signature === drawn) return;
      drawn = signature;
      const last = changes.at(-1);
      summary.title =
        last === undefined
          ? 'No change is remembered'
          : `${changes.length} changes, the last at ${clock(last.at)}; open to read them`;
      strip.setAttribute('aria-label', `State history of ${pod}: ${changes.length} changes`);
      list.replaceChildren(
        ...changes.toReversed().map(change => changeItem(change)),
        ...(lastError === null
          ? []
          : [element('li', { class: 'error' }, `${clock(lastError.at)} last error: ${lastError.what}`)]),
      );
    },
  };
}

/** @param {StateChange} change */
function changeItem({ at, state, why }) {
  const name = element('span', { class: 'state' }, spaced(state));
  name.dataset.tone = STREAM_STATES[state].tone;
  return element(
    'li',
    {},
    element('time', { datetime: new Date(at).toISOString() }, clock(at)),
    ' ',
    name,
    ' ',
    element('span', { class: 'muted' }, why === null ? '' : streamReason(why)),
  );
}

/** The states side by side, as long as each lasted. @param {HTMLElement} strip @param {StateChange[]} changes @param {number} now */
function drawStrip(strip, changes, now) {
  const from = now - SHOWN_MS;
  const spans = changes
    .map((change, i) => ({
      state: change.state,
      begin: Math.max(change.at, from),
      end: Math.min(changes[i + 1]?.at ?? now, now),
    }))
    .filter(({ begin, end }) => end > begin);
  while (strip.childElementCount > spans.length) strip.lastElementChild?.remove();
  for (const [i, { state, begin, end }] of spans.entries()) {
    const part = /** @type {HTMLElement} */ (strip.children[i] ?? strip.appendChild(element('i')));
    part.dataset.tone = STREAM_STATES[state].tone;
    part.title = `${spaced(state)} for ${longTime(end - begin)}`;
    setStyle(part, {
      '--from': String((begin - from) / SHOWN_MS),
      '--share': String((end - begin) / SHOWN_MS),
    });
  }
}

/** @param {string} label */
function cell(label) {
  return element('td', { 'data-label': label, class: 'number' });
}
