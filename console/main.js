/** The console: joins what the router tells to what shows it. */
import { connect } from './connection.js';
import { followFragment } from './decision.js';
import { createDecisions } from './decisions.js';
import { byId, setText } from './dom.js';
import { createFigures } from './figures.js';
import { History } from './history.js';
import { createPlots } from './plots.js';
import { createPods } from './pods.js';
import { createStreams } from './streams.js';
import { followTheme } from './theme.js';

/** @import { ConnectionState } from './connection.js' */

const figures = createFigures(byId('figures'));
const plots = createPlots(byId('plots'));
const pods = createPods({ rows: byId('pod-rows'), count: byId('pods-count'), empty: byId('pods-empty') });
const decisions = createDecisions({
  ...{ rows: byId('decision-rows'), empty: byId('decisions-empty'), leftOut: byId('decisions-left-out') },
  ...{ held: byId('decisions-held'), filter: /** @type {HTMLInputElement} */ (byId('decisions-filter')) },
  pause: /** @type {HTMLButtonElement} */ (byId('decisions-pause')),
  more: /** @type {HTMLButtonElement} */ (byId('decisions-more')),
});
const streams = createStreams({
  rows: byId('stream-rows'),
  count: byId('streams-count'),
  empty: byId('streams-empty'),
});
followTheme(/** @type {HTMLButtonElement} */ (byId('theme')), () => plots.recolour());
followFragment({
  dialog: /** @type {HTMLDialogElement} */ (byId('decision')),
  ...{ title: byId('decision-title'), content: byId('decision-content') },
  close: /** @type {HTMLButtonElement} */ (byId('decision-close')),
});

/** @type {History | undefined} */
let history;
let usesKvEvents = false;

connect(
  {
    welcome(welcome) {
      usesKvEvents = welcome.usesKvEvents;
      history = new History(welcome.history);
      setText(byId('version'), welcome.version);
      plots.show(history);
      figures.showHistory(history);
      decisions.restart();
      streams.restart(welcome);
    },
    now(now) {
      const notice = byId('notice');
      notice.hidden = now.ready;
      setText(
        notice,
        now.ready ? '' : `Not ready: ${now.why}. Load balancers keep requests away until it is.`,
      );
      figures.showNow(now, usesKvEvents);
      pods.show(now);
      decisions.showNow(now);
      streams.show(now);
    },
    decisions: told => decisions.add(told),
    sample(sample) {
      if (history === undefined) return;
      history.add(sample);
      plots.show(history);
      figures.showHistory(history);
    },
    change: change => streams.add(change),
  },
  showConnection,
);

/** @param {ConnectionState} state */
function showConnection(state) {
  const place = byId('connection');
  place.dataset.state = state.kind;
  document.body.dataset.connection = state.kind;
  setText(place, wordsOf(state));
}

/** @param {ConnectionState} state */
function wordsOf(state) {
  switch (state.kind) {
    case 'connecting':
      return 'connecting';
    case 'live':
      return 'live';
    case 'resting':
      return 'resting: this page was not looked at';
    case 'lost':
      return `connection lost; tried again in ${state.secondsLeft} s`;
    case 'full':
      return `${state.maxViewers} others watch already; tried again in ${state.secondsLeft} s`;
  }
}
