/** The list of live decisions. */
import { element, Rows, setStyle, setText } from './dom.js';
import { exactClock, seconds, whole } from './format.js';
import { spaced, toneOf, whyOf } from './words.js';

/** @import { Decisions, DecisionSummary, Now } from '../src/ops/console/messages.ts' */

const KEPT = 500;
const SHOWN = { few: 15, many: 100 };

/**
 * @param {{ rows: HTMLElement, empty: HTMLElement, leftOut: HTMLElement, held: HTMLElement, filter: HTMLInputElement, pause: HTMLButtonElement, more: HTMLButtonElement }} places
 */
export function createDecisions({ rows, empty, leftOut, held, filter, pause, more }) {
  /** Newest first. @type {DecisionSummary[]} */
  let all = [];
  /** Told since they were held back. */
  let unseen = 0;
  let notShown = 0;
  let isPaused = false;
  let showsMany = false;
  let isPointedAt = false;
  let model = 'demo-model';
  const table = new Rows(
    rows,
    /** @param {DecisionSummary} decision */ ({ id, at }) => `${at} ${id}`,
    decisionRow,
  );

  const isHeld = () => isPaused || isPointedAt || rows.contains(document.activeElement);

  function draw() {
    const wanted = filter.value.trim().toLowerCase();
    const found = wanted === '' ? all : all.filter(decision => textOf(decision).includes(wanted));
    table.show(found.slice(0, showsMany ? SHOWN.many : SHOWN.few));
    more.hidden = found.length <= SHOWN.few;
    showEmpty(wanted, found.length);
    setText(
      leftOut,
      notShown === 0
        ? ''
        : `${whole(notShown)} were decided and are not listed: at most twenty a second are.`,
    );
    unseen = 0;
    showHeld();
  }

  function showHeld() {
    setText(held, isHeld() && unseen > 0 ? `held still; ${whole(unseen)} new` : '');
  }

  /** @param {string} wanted @param {number} found */
  function showEmpty(wanted, found) {
    empty.hidden = found > 0;
    if (found > 0) return;
    if (wanted !== '') {
      const id = filter.value.trim();
      empty.replaceChildren(
        `None of the last ${whole(all.length)} decisions has “${id}”. `,
        element('a', { href: `#decision/${encodeURIComponent(id)}` }, 'Look for it as a request id'),
      );
      return;
    }
    const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] });
    empty.replaceChildren(
      element('b', {}, 'Nothing was decided yet.'),
      ' Send a request through Envoy (its address, not this port’s), twice: the second one finds the first one’s blocks where the prompt is long enough.',
      element(
        'pre',
        {},
        `curl http://ENVOY/v1/chat/completions -H 'content-type: application/json' \\\n  -d '${body.replaceAll("'", "'\\''")}'`,
      ),
    );
  }

  /** Rows must not move under a pointer or a focus. */
  function release() {
    if (isHeld()) showHeld();
    else draw();
  }
  rows.addEventListener('pointerenter', event => {
    isPointedAt = event.pointerType === 'mouse';
  });
  rows.addEventListener('pointerleave', () => {
    isPointedAt = false;
    release();
  });
  rows.addEventListener('focusout', () => setTimeout(release));
  filter.addEventListener('input', draw);
  pause.addEventListener('click', () => {
    isPaused = !isPaused;
    pause.classList.toggle('on', isPaused);
    setText(pause, isPaused ? 'Go on' : 'Pause');
    release();
  });

  more.addEventListener('click', () => {
    showsMany = !showsMany;
    more.setAttribute('aria-expanded', String(showsMany));
    setText(more, showsMany ? 'Show fewer' : 'Show more');
    draw();
  });

  return {
    /** @param {Decisions} told oldest first */
    add({ decisions, leftOut: others }) {
      const known = new Set(all.slice(0, 2 * decisions.length + 100).map(({ id, at }) => `${at} ${id}`));
      const added = decisions.filter(({ id, at }) => !known.has(`${at} ${id}`));
      all = [...added.toReversed(), ...all].slice(0, KEPT);
      unseen += added.length;
      notShown += others;
      release();
    },
    /** A new connection tells anew how many there were. */
    restart() {
      notShown = 0;
    },
    /** @param {Now} now */
    showNow({ pods }) {
      const known = pods[0]?.model ?? model;
      if (all.length > 0 || (known === model && !empty.hidden)) return;
      model = known;
      draw();
    },
  };
}

/** @param {DecisionSummary} decision */
function textOf({ id, model, pod, reason, withoutTokens, error, outcome }) {
  return [id, model, pod, reason, withoutTokens, error, outcome].join(' ').toLowerCase();
}

/** @param {DecisionSummary} decision */
function decisionRow(decision) {
  const { id, at, model, pod, matchedBlocks, totalBlocks, reason, outcome, tookMicroseconds } = decision;
  const why = element(
    'td',
    { 'data-label': 'Why', class: 'wide' },
    element('span', { class: 'reason' }, spaced(reason ?? outcome)),
    ' ',
    element('span', { class: 'muted' }, whyOf(decision)),
  );
  why.dataset.tone = toneOf(decision);
  const row = element(
    'tr',
    {},
    element(
      'th',
      { scope: 'row' },
      element(
        'a',
        { href: `#decision/${encodeURIComponent(id)}`, title: `Open the decision of request ${id}` },
        exactClock(at),
      ),
    ),
    element('td', { 'data-label': 'Model', class: 'name' }, model ?? '–'),
    element('td', { 'data-label': 'Pod', class: 'name' }, pod ?? '–'),
    matchedCell(matchedBlocks, totalBlocks),
    why,
    element('td', { 'data-label': 'Took', class: 'number' }, seconds(tookMicroseconds / 1e6)),
  );
  return { element: row, update() {} };
}

/** @param {number} matched @param {number} total */
function matchedCell(matched, total) {
  if (total === 0)
    return element(
      'td',
      { 'data-label': 'Blocks matched' },
      element('span', { class: 'muted' }, 'not looked up'),
    );
  const bar = element('span', { class: 'meter long', 'aria-hidden': 'true' }, element('i'));
  setStyle(bar, { '--share': String(matched / total) });
  return element(
    'td',
    { 'data-label': 'Blocks matched' },
    bar,
    element('span', { class: 'of' }, `${whole(matched)} / ${whole(total)}`),
  );
}
