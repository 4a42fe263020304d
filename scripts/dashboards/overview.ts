/** What it is worth, and whether anything is wrong. */
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { ENVOY_METRICS } from '../alerts.ts';
import type { Board } from './board.ts';
import { lines, number } from './panels.ts';
import { gauge, observed, orZero, quantile, rate, share } from './promql.ts';

const { decisions, matchedBlocks, promptBlocks, decisionSeconds } = METRICS;

export const OVERVIEW: Board = {
  uid: 'warmroute-overview',
  title: 'overview',
  description: 'What routing by the prefix is worth, and whether anything is wrong.',
  rows: {
    'Is anything wrong?': [
      number('Alerts that fire', {
        about: {
          help: 'Alerts of `deploy/prometheus/rules.yaml` that fire now.',
          bad: 'Any: the runbook has a paragraph for each.',
        },
        unit: 'short',
        limits: { warn: 1, bad: 1 },
        queries: { firing: orZero('count(ALERTS{alertname=~"Warmroute.+", alertstate="firing"})') },
      }),
      number('Routers', {
        about: METRICS.build,
        unit: 'short',
        limits: { warn: 2, bad: 1, falling: true },
        alert: 'WarmrouteAbsent',
        queries: { routers: `count(${gauge('max', METRICS.build, { by: ['instance'] })})` },
      }),
      number('Ready pods', {
        about: METRICS.pods,
        unit: 'short',
        limits: { warn: 2, bad: 1, falling: true },
        alert: 'WarmrouteNoPods',
        queries: { ready: gauge('min', METRICS.pods) },
      }),
      number('Requests without the router', {
        about: {
          help: 'Requests that Envoy sent on without an answer of the router.',
          bad: 'Any: these go round robin, whoever holds their prefix.',
        },
        unit: 'reqps',
        limits: { warn: 0.001, bad: 1 },
        alert: 'WarmrouteFailingOpen',
        queries: {
          unasked: orZero(ENVOY_METRICS.map(name => `sum(rate(${name}[$__rate_interval]))`).join(' or ')),
        },
      }),
    ],
    Traffic: [
      lines('Requests by outcome', {
        about: decisionSeconds,
        unit: 'reqps',
        stacked: true,
        queries: { '{{outcome}}': observed(decisionSeconds, { by: ['outcome'] }) },
      }),
      lines('Matched share of the prompts', {
        about: matchedBlocks,
        unit: 'percentunit',
        queries: { matched: share(rate(matchedBlocks), rate(promptBlocks)) },
      }),
      lines('Time of a decision', {
        about: decisionSeconds,
        unit: 's',
        queries: { p50: quantile(0.5, decisionSeconds), p99: quantile(0.99, decisionSeconds) },
      }),
      lines('Decisions by reason', {
        about: decisions,
        unit: 'reqps',
        stacked: true,
        alert: 'WarmrouteFallback',
        queries: { '{{reason}}': rate(decisions, { by: ['reason'] }) },
      }),
    ],
  },
};
