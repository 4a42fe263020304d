/** What goes on, as the router tells it; when the connection is lost, it is made again. */

/** @import { Decisions, Full, Now, Sample, StateChange, Welcome } from '../src/ops/console/messages.ts' */

/**
 * @typedef {{ welcome: Welcome, now: Now, decisions: Decisions, sample: Sample, change: StateChange }} Told
 * @typedef {{ [Event in keyof Told]: (told: Told[Event]) => void }} Listeners
 * @typedef {{ kind: 'connecting' | 'live' | 'resting' }
 *   | { kind: 'lost', secondsLeft: number }
 *   | { kind: 'full', maxViewers: number, secondsLeft: number }} ConnectionState
 */

const FIRST_WAIT_SECONDS = 1;
const MAX_WAIT_SECONDS = 15;
const FULL_WAIT_SECONDS = 5;
/** The router says something every second. */
const SILENCE_MS = 10_000;
/** A page that nobody looks at takes nobody's place. */
const HIDDEN_MS = 60_000;

/** @param {Listeners} listeners @param {(state: ConnectionState) => void} onState */
export function connect(listeners, onState) {
  /** @type {EventSource | undefined} */
  let source;
  let waitSeconds = FIRST_WAIT_SECONDS;
  /** @type {number | undefined} */
  let silence;
  /** @type {number | undefined} */
  let countdown;
  /** @type {number | undefined} */
  let hidden;

  function close() {
    source?.close();
    source = undefined;
    clearTimeout(silence);
    clearTimeout(countdown);
  }

  function open() {
    close();
    onState({ kind: 'connecting' });
    const opened = new EventSource('console/events');
    source = opened;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(lost, SILENCE_MS);
    };
    for (const event of /** @type {(keyof Told)[]} */ (Object.keys(listeners))) {
      opened.addEventListener(event, ({ data }) => {
        heard();
        if (event === 'welcome') {
          waitSeconds = FIRST_WAIT_SECONDS;
          onState({ kind: 'live' });
        }
        listeners[event](JSON.parse(data));
      });
    }
    opened.addEventListener('full', ({ data }) => {
      const { maxViewers } = /** @type {Full} */ (JSON.parse(data));
      close();
      wait(FULL_WAIT_SECONDS, secondsLeft => ({ kind: 'full', maxViewers, secondsLeft }));
    });
    opened.addEventListener('error', lost);
    heard();
  }

  function lost() {
    close();
    wait(waitSeconds, secondsLeft => ({ kind: 'lost', secondsLeft }));
    waitSeconds = Math.min(2 * waitSeconds, MAX_WAIT_SECONDS);
  }

  /** @param {number} secondsLeft @param {(secondsLeft: number) => ConnectionState} state */
  function wait(secondsLeft, state) {
    if (secondsLeft === 0) return open();
    onState(state(secondsLeft));
    countdown = setTimeout(() => wait(secondsLeft - 1, state), 1_000);
  }

  function restWhileHidden() {
    clearTimeout(hidden);
    if (document.hidden) {
      hidden = setTimeout(() => {
        close();
        onState({ kind: 'resting' });
      }, HIDDEN_MS);
    } else if (source === undefined) open();
  }
  document.addEventListener('visibilitychange', restWhileHidden);
  open();
  restWhileHidden();
}
