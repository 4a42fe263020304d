/** A decision as a picture: who holds which of the prompt's blocks, what each candidate scored, and where the time went. */
import { element, setStyle } from './dom.js';
import { exactClock, percent, seconds, whole } from './format.js';
import { spaced, whyOf } from './words.js';

/** @import { CandidateRecord, DecisionRecord } from '../src/explain/record.ts' */

/** Blocks that are still drawn one by one. */
const MAX_CELLS = 160;
/** Facts that need room. */
const LONG = new Set(['Request id', 'Served', 'Trace id']);

/** @param {DecisionRecord} record @returns {Node[]} */
export function pictureOf(record) {
  return [
    element('p', { class: 'lead' }, sentenceOf(record)),
    facts(record),
    ...(record.candidates.length > 0 ? candidatesOf(record) : []),
    element('div', { class: 'columns' }, stepsOf(record), stagesOf(record)),
    ...promptOf(record),
  ];
}

/** @param {DecisionRecord} record */
export function titleOf({ outcome, pod, error, reason }) {
  if (reason === 'cancelled') return 'Not waited for';
  if (outcome === 'routed') return `To ${pod}`;
  return outcome === 'rejected' ? `Refused: ${spaced(error ?? 'unknown error')}` : spaced(outcome);
}

/** @param {DecisionRecord} record */
function sentenceOf(record) {
  const { matchedBlocks = 0, totalBlocks = 0, outcome, pod } = record;
  const why = whyOf({
    ...{
      id: record.id,
      at: record.at,
      outcome,
      matchedBlocks,
      totalBlocks,
      tookMicroseconds: record.tookMicroseconds,
    },
    ...{ error: record.error ?? null, model: record.model, pod: pod ?? null },
    ...{ reason: record.reason ?? null, withoutTokens: record.withoutTokens ?? null },
  });
  const held =
    totalBlocks === 0
      ? ''
      : ` ${pod} held ${whole(matchedBlocks)} of the prompt’s ${whole(totalBlocks)} full blocks.`;
  return `${record.reason === undefined ? '' : `${spaced(record.reason)}: `}${why}.${outcome === 'routed' ? held : ''}`;
}

/** @param {DecisionRecord} record */
function facts(record) {
  const { served } = record;
  /** @type {[string, string | undefined][]} */
  const rows = [
    ['Request id', record.id],
    ['Time', `${new Date(record.at).toLocaleDateString()} ${exactClock(record.at)}`],
    ['Model', record.model ?? undefined],
    ['Path', record.path],
    ['Strategy', record.strategy],
    [
      'Tokens',
      record.tokens === undefined
        ? undefined
        : `${whole(record.tokens)}${record.blockSizeTokens === undefined ? '' : `, in blocks of ${record.blockSizeTokens}`}`,
    ],
    [
      'Pod',
      record.endpoint === undefined
        ? undefined
        : `${record.pod} at ${record.endpoint}${record.rank === undefined ? '' : `, rank ${record.rank}`}`,
    ],
    ['Tried next', record.retries?.join(', ')],
    [
      'Served',
      served && `${served.status} by ${served.pod}, answer began after ${seconds(served.answeredMs / 1_000)}`,
    ],
    ['Took', seconds(record.tookMicroseconds / 1e6)],
    ['Trace id', record.traceId],
  ];
  return element(
    'dl',
    { class: 'facts' },
    ...rows.flatMap(([name, value]) =>
      value
        ? [
            element(
              'div',
              { class: LONG.has(name) ? 'long' : null },
              element('dt', {}, name),
              element('dd', {}, value),
            ),
          ]
        : [],
    ),
  );
}

/** @param {DecisionRecord} record @returns {Node[]} */
function candidatesOf({ candidates, candidatesLeftOut, pod, totalBlocks = 0 }) {
  const legend = element(
    'ul',
    { class: 'legend blocks-legend' },
    ...[
      ['gpu', 'on the GPU'],
      ['cpu', 'in the CPU’s memory'],
      ['storage', 'in storage'],
      ['none', 'not held: prefill'],
    ].map(([tier, name]) => element('li', {}, element('i', { class: `tier ${tier}` }), name ?? '')),
  );
  const rows = candidates.map(candidate => candidateRow(candidate, candidate.pod === pod));
  return [
    element('h3', {}, 'Who holds the prompt'),
    element(
      'p',
      { class: 'about' },
      totalBlocks === 0
        ? 'The prompt was not looked up.'
        : 'The prompt from its beginning, left, to its end: one bar per pod that could be picked, best first.',
    ),
    ...(totalBlocks === 0 ? [] : [legend]),
    element(
      'table',
      { class: 'rows candidates' },
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          ...['Pod', 'Blocks', 'Held', 'Score', 'In flight', 'Verdict'].map((name, i) =>
            element('th', { scope: 'col', class: i > 1 && i < 5 ? 'number' : null }, name),
          ),
        ),
      ),
      element('tbody', {}, ...rows),
    ),
    ...(candidatesLeftOut > 0
      ? [
          element(
            'p',
            { class: 'muted' },
            `and ${whole(candidatesLeftOut)} more candidates, which were no better`,
          ),
        ]
      : []),
  ];
}

/** @param {CandidateRecord} candidate @param {boolean} isWinner */
function candidateRow(candidate, isWinner) {
  const { pod, endpoint, health, running, score, verdict, matchedBlocks, totalBlocks } = candidate;
  return element(
    'tr',
    { class: isWinner ? 'winner' : null },
    element(
      'th',
      { scope: 'row' },
      element('b', {}, pod),
      ' ',
      element('span', { class: 'muted' }, health === 'healthy' ? endpoint : `${endpoint} · ${health}`),
    ),
    element('td', { 'data-label': 'Blocks', class: 'wide' }, blocksOf(candidate)),
    element(
      'td',
      { 'data-label': 'Held', class: 'number' },
      totalBlocks === 0 ? '–' : `${whole(matchedBlocks)} / ${whole(totalBlocks)}`,
    ),
    element(
      'td',
      { 'data-label': 'Score', class: 'number' },
      score === null ? '–' : String(Math.round(1_000 * score) / 1_000),
    ),
    element('td', { 'data-label': 'In flight', class: 'number' }, whole(running)),
    element(
      'td',
      { 'data-label': 'Verdict', class: 'wide verdict' },
      isWinner ? element('b', {}, verdict) : verdict,
      ' ',
      element('span', { class: 'muted' }, sharesOf(candidate)),
    ),
  );
}

/** Of a weighted list: what each strategy gave. @param {CandidateRecord} candidate */
function sharesOf({ shares = [] }) {
  return shares.map(({ strategy, weight, share }) => `${strategy} ${weight} × ${percent(share)}`).join(' + ');
}

/** @param {CandidateRecord} candidate */
function blocksOf({ matchedBlocks, totalBlocks, cpu, storage }) {
  const gpu = Math.max(0, matchedBlocks - cpu - storage);
  const words = [
    `${gpu} on the GPU`,
    cpu > 0 ? `${cpu} in the CPU’s memory` : '',
    storage > 0 ? `${storage} in storage` : '',
  ];
  const bar = element('span', {
    class: totalBlocks > MAX_CELLS ? 'blocks' : 'blocks cells',
    role: 'img',
    'aria-label': `holds ${words.filter(each => each !== '').join(', ')}, of ${totalBlocks} blocks`,
  });
  setStyle(bar, { '--total': String(Math.max(1, totalBlocks)) });
  const parts = /** @type {const} */ ([
    ['gpu', gpu],
    ['cpu', cpu],
    ['storage', storage],
  ]);
  for (const [tier, count] of parts) {
    if (count === 0) continue;
    const part = element('i', { class: `tier ${tier}` });
    setStyle(part, { '--count': String(count) });
    bar.append(part);
  }
  return bar;
}

/** @param {DecisionRecord} record */
function stepsOf({ policy }) {
  const steps = policy.map(step => element('li', {}, step));
  return element(
    'section',
    {},
    element('h3', {}, 'How it was decided'),
    steps.length === 0
      ? element('p', { class: 'muted' }, 'Nothing was weighed.')
      : element('ol', { class: 'steps' }, ...steps),
  );
}

/** @param {DecisionRecord} record */
function stagesOf({ stages, tookMicroseconds }) {
  // Hashing is a part of matching.
  const most = Math.max(1, tookMicroseconds);
  const rows = stages.map(({ stage, microseconds }) => {
    const bar = element('span', { class: 'meter long', 'aria-hidden': 'true' }, element('i'));
    setStyle(bar, { '--share': String(Math.min(1, microseconds / most)) });
    const name = stage === 'hash' ? 'hash (part of match)' : stage;
    return element(
      'tr',
      {},
      element('th', { scope: 'row' }, name),
      element('td', {}, bar),
      element('td', { class: 'number' }, seconds(microseconds / 1e6)),
    );
  });
  return element(
    'section',
    {},
    element('h3', {}, 'Where the time went'),
    element('table', { class: 'stages' }, element('tbody', {}, ...rows)),
  );
}

/** @param {DecisionRecord} record @returns {Node[]} */
function promptOf({ prompt }) {
  if (prompt === undefined)
    return [
      element(
        'p',
        { class: 'muted' },
        'The prompt is not kept. WARMROUTE_SHOW_PROMPTS=true shows the beginning of prompts here.',
      ),
    ];
  return [element('h3', {}, 'The prompt'), element('pre', { class: 'prompt', tabindex: '0' }, prompt)];
}
