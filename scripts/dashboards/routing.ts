/** Why pods are picked, whether that comes true, and how long it takes. */
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import type { Board } from './board.ts';
import { lines, number } from './panels.ts';
import { gauge, largest, observed, orZero, quantile, rate, share } from './promql.ts';

const { decisions, predictions, stageSeconds, decisionSeconds } = {
  ...METRICS,
  predictions: METRICS.confirmations,
};

const ALL = rate(decisions);
const matched = (by?: readonly 'model'[]) =>
  share(
    rate(METRICS.matchedBlocks, { ...(by && { by }) }),
    rate(METRICS.promptBlocks, { ...(by && { by }) }),
  );

/** What the picks of the shadow policy come to, as a share of what those of the policy in force do. */
const byActive = (metric: typeof METRICS.shadowCost | typeof METRICS.shadowCached) =>
  share(
    rate(metric, { by: ['policy'], where: { picked_by: 'shadow' } }),
    rate(metric, { by: ['policy'], where: { picked_by: 'active' } }),
  );

/** Routed without knowing who holds the prompt, for a reason that somebody can mend: as the alert has it. */
const BLIND = [
  rate(METRICS.withoutTokens, { where: { why: ['tokenizer_failed', 'deadline', 'no_token_form'] } }),
  rate(decisions, { where: { reason: ['index_failed', 'late_body', 'buffers_full'] } }),
]
  .map(each => `(${orZero(each)})`)
  .join(' + ');

export const ROUTING: Board = {
  uid: 'warmroute-routing',
  title: 'routing quality',
  description: 'Why pods are picked, whether what was predicted comes true, and how long a decision takes.',
  rows: {
    Now: [
      number('Requests routed', { about: decisions, unit: 'reqps', queries: { routed: ALL } }),
      number('Matched share', {
        about: METRICS.matchedBlocks,
        unit: 'percentunit',
        queries: { matched: matched() },
      }),
      number('Routed by the prefix', {
        about: {
          help: 'Requests that went to a pod because it holds, or is expected to hold, their prefix.',
          bad: 'A fall with the same traffic: see the reasons below.',
        },
        unit: 'percentunit',
        queries: {
          prefix: share(rate(decisions, { where: { reason: ['prefix_match', 'history_match'] } }), ALL),
        },
      }),
      number('Routed blind', {
        about: {
          help: 'Requests that were routed without knowing who holds their prompt, for a reason that can be mended.',
          bad: 'Above a tenth the alert fires.',
        },
        unit: 'percentunit',
        limits: { warn: 0.01, bad: 0.1 },
        alert: 'WarmrouteFallback',
        queries: { blind: share(`(${BLIND})`, ALL) },
      }),
      number('Predictions unconfirmed', {
        about: predictions,
        unit: 'percentunit',
        limits: { warn: 0.05, bad: 0.2 },
        alert: 'WarmrouteUnconfirmed',
        queries: {
          unconfirmed: share(
            `(${orZero(rate(predictions, { where: { verdict: 'unconfirmed' } }))})`,
            rate(predictions),
          ),
        },
      }),
      number('Decision p99', {
        about: decisionSeconds,
        unit: 's',
        limits: { warn: 0.1, bad: 0.5 },
        queries: { p99: quantile(0.99, decisionSeconds) },
      }),
      number('Rejected', {
        about: METRICS.rejections,
        unit: 'reqps',
        queries: { rejected: orZero(rate(METRICS.rejections)) },
      }),
      number('Abandoned', {
        about: METRICS.abandoned,
        unit: 'reqps',
        alert: 'WarmrouteDecisionsAbandoned',
        queries: { abandoned: orZero(rate(METRICS.abandoned)) },
      }),
    ],
    'Why pods are picked': [
      lines('Decisions by reason', {
        about: decisions,
        unit: 'reqps',
        stacked: true,
        alert: 'WarmrouteFallback',
        queries: { '{{reason}}': rate(decisions, { by: ['reason'] }) },
      }),
      lines('Matched share by model', {
        about: METRICS.matchedBlocks,
        unit: 'percentunit',
        queries: { '{{model}}': largest(10, matched(['model'])) },
      }),
      lines('Matched blocks by tier', {
        about: METRICS.matchedBlocks,
        unit: 'suffix: blocks/s',
        stacked: true,
        queries: { '{{tier}}': rate(METRICS.matchedBlocks, { by: ['tier'] }) },
      }),
      lines('Decisions by strategy', {
        about: {
          help: 'Requests routed, by the strategy that the client or the configuration asked for.',
          bad: 'A strategy that nobody has configured: clients choose it by the header `routing-strategy`.',
        },
        unit: 'reqps',
        stacked: true,
        queries: { '{{strategy}}': rate(decisions, { by: ['strategy'] }) },
      }),
      lines('Predictions by endpoint', {
        about: predictions,
        unit: 'reqps',
        alert: 'WarmrouteUnconfirmed',
        queries: { '{{verdict}} {{endpoint}}': rate(predictions, { by: ['verdict', 'endpoint'] }) },
      }),
      lines('Strategies that were not heard', {
        about: METRICS.unscored,
        unit: 'reqps',
        queries: { '{{strategy}}': rate(METRICS.unscored, { by: ['strategy'] }) },
      }),
    ],
    'What becomes of requests': [
      lines('Decisions by outcome', {
        about: decisionSeconds,
        unit: 'reqps',
        stacked: true,
        queries: { '{{outcome}}': observed(decisionSeconds, { by: ['outcome'] }) },
      }),
      lines('Responses by status', {
        about: METRICS.ended,
        unit: 'reqps',
        stacked: true,
        queries: { '{{status}}': rate(METRICS.ended, { by: ['status'] }) },
      }),
      lines('Rejections by kind', {
        about: METRICS.rejections,
        unit: 'reqps',
        stacked: true,
        alert: 'WarmrouteNoPods',
        queries: { '{{kind}}': rate(METRICS.rejections, { by: ['kind'] }) },
      }),
      lines('Passed on without a pick', {
        about: METRICS.undecided,
        unit: 'reqps',
        queries: { '{{why}}': rate(METRICS.undecided, { by: ['why'] }) },
      }),
      lines('Abandoned before a reply', {
        about: METRICS.abandoned,
        unit: 'reqps',
        alert: 'WarmrouteDecisionsAbandoned',
        queries: { '{{during}}': rate(METRICS.abandoned, { by: ['during'] }) },
      }),
      lines('Picks by pod, the 10 with most', {
        about: METRICS.picks,
        unit: 'reqps',
        queries: { '{{pod}}': largest(10, rate(METRICS.picks, { by: ['pod'] })) },
      }),
      lines('Picks by zone', {
        about: METRICS.zonePicks,
        unit: 'reqps',
        stacked: true,
        queries: { '{{zone}}': rate(METRICS.zonePicks, { by: ['zone'] }) },
      }),
    ],
    'Left to Envoy, and policies compared': [
      lines('Left to Envoy', {
        about: METRICS.left,
        unit: 'reqps',
        stacked: true,
        queries: { '{{why}}': rate(METRICS.left, { by: ['why'] }) },
      }),
      lines('Where Envoy sends it', {
        about: METRICS.agreement,
        unit: 'reqps',
        stacked: true,
        queries: { '{{went}}': rate(METRICS.agreement, { by: ['went'] }) },
      }),
      lines('Would be rejected', {
        about: METRICS.leftRejections,
        unit: 'reqps',
        stacked: true,
        queries: { '{{kind}}': rate(METRICS.leftRejections, { by: ['kind'] }) },
      }),
      lines('Routers by mode', {
        about: METRICS.mode,
        unit: 'short',
        queries: { '{{mode}}': gauge('sum', METRICS.mode, { by: ['mode'] }) },
      }),
      lines('Picks of the shadow policy that differ', {
        about: METRICS.shadowPicks,
        unit: 'percentunit',
        queries: {
          '{{policy}}': share(
            rate(METRICS.shadowPicks, { by: ['policy'], where: { same: 'false' } }),
            rate(METRICS.shadowPicks, { by: ['policy'] }),
          ),
        },
      }),
      lines('Shadow policy by the active one', {
        about: METRICS.shadowCost,
        unit: 'percentunit',
        queries: {
          '{{policy}}, cost': byActive(METRICS.shadowCost),
          '{{policy}}, cached tokens': byActive(METRICS.shadowCached),
        },
      }),
    ],
    'How long it takes': [
      lines('Decision', {
        about: decisionSeconds,
        unit: 's',
        queries: {
          p50: quantile(0.5, decisionSeconds),
          p90: quantile(0.9, decisionSeconds),
          p99: quantile(0.99, decisionSeconds),
        },
      }),
      lines('Stages, p99', {
        about: stageSeconds,
        unit: 's',
        alert: 'WarmrouteEventLoopLag',
        queries: { '{{stage}}': quantile(0.99, stageSeconds, { by: ['stage'] }) },
      }),
      lines('Receiving bodies', {
        about: METRICS.receiveSeconds,
        unit: 's',
        queries: {
          p50: quantile(0.5, METRICS.receiveSeconds),
          p99: quantile(0.99, METRICS.receiveSeconds),
        },
      }),
      lines('Open streams', {
        about: METRICS.streams,
        unit: 'short',
        queries: { '{{instance}}': gauge('sum', METRICS.streams, { by: ['instance'] }) },
      }),
      lines('Body buffers', {
        about: METRICS.bufferedBytes,
        unit: 'bytes',
        queries: { '{{instance}}': gauge('sum', METRICS.bufferedBytes, { by: ['instance'] }) },
      }),
      lines('Remembered responses', {
        about: METRICS.rememberedResponses,
        unit: 'short',
        queries: { '{{instance}}': gauge('sum', METRICS.rememberedResponses, { by: ['instance'] }) },
      }),
    ],
  },
};
