/** What routing by the prefix is worth, and whether anything is wrong. */
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import { ENVOY_METRICS } from '../alerts.ts';
import type { Board } from './board.ts';
import { lines, number } from './panels.ts';
import { gauge, growth, observed, orZero, quantile, rate, series, share } from './promql.ts';

const { promptTokens, predictedTokens, savedSeconds, firstByte, sampledAnswers, decisionSeconds } = METRICS;
const { sampledPromptTokens, sampledPredicted, sampledReported } = METRICS;

/** What was in no experiment has no arm. */
const ARMS = { arm: ['routed', 'control', 'left'] } as const;
const BY_ARM = { by: ['arm'], where: ARMS } as const;
const STREAMED_BY_ARM = { by: ['arm'], where: { ...ARMS, answer: 'streamed' } } as const;

const PREDICTED_RATE = {
  help: 'Prompt tokens that the chosen pods were expected not to compute, as they hold their blocks, by all prompt tokens that were looked up.',
  bad: 'A fall with the same traffic: events are lost, caches too small, or pods overloaded.',
};
const REPORTED_RATE = {
  help: 'Cached tokens by all prompt tokens of sampled answers, as the engines report both.',
  bad: 'Far below the predicted hit rate: the index believes what engines do not hold. No data: engines do not tell (vLLM: `--enable-prompt-tokens-details`), or no answers are sampled (`WARMROUTE_ANSWER_SAMPLE_PERCENT`).',
};
const EXPERIMENT =
  'The arm `control` is what `WARMROUTE_CONTROL_PERCENT` says, drawn at random and balanced by load alone; `left` is what is left to Envoy (`WARMROUTE_ROLLOUT_PERCENT`, `WARMROUTE_MODE`); without them there is one line.';

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
        queries: { routers: `count(${series(METRICS.build)})` },
      }),
      number('Ready pods', {
        about: METRICS.pods,
        unit: 'short',
        limits: { warn: 2, bad: 1, falling: true },
        alert: 'WarmrouteNoPods',
        // Of the router that knows fewest.
        queries: { ready: gauge('min', METRICS.pods) },
      }),
      number('Failing pods', {
        about: METRICS.podHealth,
        unit: 'short',
        limits: { warn: 1, bad: 3 },
        alert: 'WarmroutePodFailing',
        queries: {
          failing: orZero(
            `count(${gauge('max', METRICS.podHealth, { by: ['pod'], where: { state: 'failing' } })})`,
          ),
        },
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
      number('Requests', {
        about: decisionSeconds,
        unit: 'reqps',
        queries: { requests: observed(decisionSeconds) },
      }),
      number('Decision p99', {
        about: decisionSeconds,
        unit: 's',
        limits: { warn: 0.1, bad: 0.5 },
        alert: 'WarmrouteFallback',
        queries: { p99: quantile(0.99, decisionSeconds) },
      }),
      number('First byte p50', {
        about: firstByte,
        unit: 's',
        queries: { p50: quantile(0.5, firstByte) },
      }),
    ],
    'What is it worth?': [
      number('Hit rate, predicted', {
        about: PREDICTED_RATE,
        unit: 'percentunit',
        alert: 'WarmrouteUnconfirmed',
        width: 4,
        queries: { predicted: share(rate(predictedTokens), rate(promptTokens)) },
      }),
      number('Hit rate, reported by engines', {
        about: REPORTED_RATE,
        unit: 'percentunit',
        alert: 'WarmrouteUnconfirmed',
        width: 4,
        queries: { reported: share(rate(sampledReported), rate(sampledPromptTokens)) },
      }),
      number('Reported of predicted', {
        about: sampledReported,
        unit: 'percentunit',
        limits: { warn: 0.9, bad: 0.7, falling: true },
        alert: 'WarmrouteUnconfirmed',
        width: 4,
        queries: { reported: share(rate(sampledReported), rate(sampledPredicted)) },
      }),
      number('Prefill saved, in the time shown', {
        about: savedSeconds,
        unit: 'dtdurations',
        width: 4,
        queries: { saved: growth(savedSeconds) },
      }),
      number('Prefill saved, engines at a time', {
        about: {
          help: 'Seconds of prefill saved per second: as many engines would compute all the time what was not computed.',
          bad: 'None for long with a hit rate: the engines’ metrics cannot be read.',
        },
        unit: 'short',
        width: 4,
        queries: { engines: rate(savedSeconds) },
      }),
      number('Prompt tokens', {
        about: promptTokens,
        unit: 'suffix: tokens/s',
        width: 4,
        queries: { tokens: rate(promptTokens) },
      }),
      lines('Hit rate: predicted and reported', {
        about: REPORTED_RATE,
        unit: 'percentunit',
        alert: 'WarmrouteUnconfirmed',
        queries: {
          predicted: share(rate(predictedTokens), rate(promptTokens)),
          'of sampled answers, predicted': share(rate(sampledPredicted), rate(sampledPromptTokens)),
          'of sampled answers, reported': share(rate(sampledReported), rate(sampledPromptTokens)),
        },
      }),
      lines('Hit rate by arm', {
        about: { help: `${PREDICTED_RATE.help} ${EXPERIMENT}`, bad: predictedTokens.bad },
        unit: 'percentunit',
        queries: { '{{arm}}': share(rate(predictedTokens, BY_ARM), rate(promptTokens, BY_ARM)) },
      }),
      lines('First byte of streamed answers by arm', {
        about: { help: `${firstByte.help}. ${EXPERIMENT}`, bad: firstByte.bad },
        unit: 's',
        queries: {
          '{{arm}} p50': quantile(0.5, firstByte, STREAMED_BY_ARM),
          '{{arm}} p90': quantile(0.9, firstByte, STREAMED_BY_ARM),
        },
      }),
      lines('First byte by reason, p50', {
        about: firstByte,
        unit: 's',
        queries: { '{{reason}}, {{answer}}': quantile(0.5, firstByte, { by: ['reason', 'answer'] }) },
      }),
      lines('Prefill saved per 1,000 prompt tokens', {
        about: { help: `${savedSeconds.help}. ${EXPERIMENT}`, bad: savedSeconds.bad },
        unit: 's',
        queries: { '{{arm}}': `1000 * ${share(rate(savedSeconds, BY_ARM), rate(promptTokens, BY_ARM))}` },
      }),
      lines('Prompt tokens and where they are held', {
        about: predictedTokens,
        unit: 'suffix: tokens/s',
        queries: {
          'all prompts': rate(promptTokens),
          'held on {{tier}}': rate(predictedTokens, { by: ['tier'] }),
          'held, at an unknown rate': rate(METRICS.unratedTokens),
        },
      }),
    ],
    'What becomes of requests': [
      lines('Decisions by reason', {
        about: METRICS.decisions,
        unit: 'reqps',
        stacked: true,
        alert: 'WarmrouteFallback',
        queries: { '{{reason}}': rate(METRICS.decisions, { by: ['reason'] }) },
      }),
      lines('Requests by outcome', {
        about: decisionSeconds,
        unit: 'reqps',
        stacked: true,
        queries: { '{{outcome}}': observed(decisionSeconds, { by: ['outcome'] }) },
      }),
      lines('Sampled answers by what was found', {
        about: sampledAnswers,
        unit: 'reqps',
        stacked: true,
        alert: 'WarmrouteUnconfirmed',
        queries: { '{{outcome}}': rate(sampledAnswers, { by: ['outcome'] }) },
      }),
    ],
  },
};
