/** The key figures at the top. */
import { element, setText } from './dom.js';
import { percent, rate, seconds, wellOfAll, whole } from './format.js';

/** @import { History } from './history.js' */
/** @import { Now } from '../src/ops/console/messages.ts' */

const RECENT_SECONDS = 300;

/** @param {HTMLElement} list */
export function createFigures(list) {
  /** @param {string} name @param {string} title */
  const figure = (name, title) => {
    const value = element('dd', {}, '–');
    list.append(element('div', { title }, element('dt', {}, name), value));
    return value;
  };
  const hitRate = figure(
    'Warm hit rate',
    'Share of the prompt blocks of the last five minutes that the chosen pods held',
  );
  const decisions = figure('Decisions / s', 'Requests that a pod was picked for, in the last five seconds');
  const took = figure(
    'Decision, p99',
    'From the request’s body to the decision: the worst p99 of five seconds in the last five minutes',
  );
  const firstByte = figure(
    'First byte, median',
    'From the pick to the first byte of the answer, of sampled answers: the median of each five seconds, averaged over the last five minutes',
  );
  const pods = figure('Pods well', 'Pods that may be picked and do not fail, of all');
  const streams = figure('Streams live', 'Event streams of which all is known, of all');
  const blocks = figure('Blocks known', 'KV-cache blocks in the index');

  return {
    /** @param {History} history */
    showHistory(history) {
      setText(hitRate, percent(history.weightedMean('hitRate', 'promptBlocks', RECENT_SECONDS)));
      setText(decisions, rate(history.last('decisionsPerSecond')));
      setText(took, seconds(history.max('decisionP99', RECENT_SECONDS)));
      setText(firstByte, seconds(history.mean('firstByteP50', RECENT_SECONDS)));
    },
    /** @param {Now} now @param {boolean} usesKvEvents */
    showNow(now, usesKvEvents) {
      const well = now.pods.filter(({ health, isReady }) => isReady && health !== 'failing').length;
      setText(pods, wellOfAll(well, now.pods.length, now.podsLeftOut));
      const live = now.publishers.filter(({ state }) => state === 'live').length;
      setText(streams, usesKvEvents ? wellOfAll(live, now.publishers.length, now.publishersLeftOut) : 'off');
      setText(blocks, whole(now.indexBlocks));
    },
  };
}
