/** How prompts get their tokens. */
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import type { Board } from './board.ts';
import { lines, number } from './panels.ts';
import { gauge, observed, orZero, quantile, rate, share } from './promql.ts';

const { tokenizeCalls, tokenizeCallSeconds, withoutTokens, stageSeconds, tokenizerCircuits } = METRICS;
const { bodyBytes, knownBodyBytes } = METRICS;
const { exactTokens, exactTokensSeconds, promptCharacters, tokenComparisons, tokensTrusted, segmentBytes } =
  METRICS;

/** Calls to engines, by what they came to. */
const CALLS = [
  'tokens',
  'absent',
  'unauthorized',
  'outrun',
  'unavailable',
  'refused',
  'timeout',
  'aborted',
] as const;
const FAILED = ['unavailable', 'timeout', 'unauthorized'] as const;

export const TOKENIZER: Board = {
  uid: 'warmroute-tokenizer',
  title: 'tokenizer',
  description:
    'Prompts are tokenized by the engines that serve them: how often, how fast, and what it comes to.',
  rows: {
    Now: [
      number('Prompts', {
        about: { help: 'Prompts tokenized per second.', bad: 'None while requests come.' },
        unit: 'reqps',
        queries: { prompts: observed(stageSeconds, { where: { stage: 'tokenize' } }) },
      }),
      number('Answered by the cache', {
        about: {
          help: 'Prompts whose tokens were known, or that another request was asking for already.',
          bad: 'None: it is a matter of the traffic, and of `WARMROUTE_TOKENIZER_CACHE_BYTES`.',
        },
        unit: 'percentunit',
        queries: {
          cached: share(
            `(${orZero(rate(tokenizeCalls, { where: { kind: ['hit', 'shared'] } }))})`,
            observed(stageSeconds, { where: { stage: 'tokenize' } }),
          ),
        },
      }),
      number('Tokenizing p50', {
        about: tokenizeCallSeconds,
        unit: 's',
        limits: { warn: 0.02, bad: 0.1 },
        queries: { p50: quantile(0.5, stageSeconds, { where: { stage: 'tokenize' } }) },
      }),
      number('Tokenizing p99', {
        about: tokenizeCallSeconds,
        unit: 's',
        limits: { warn: 0.1, bad: 0.5 },
        queries: { p99: quantile(0.99, stageSeconds, { where: { stage: 'tokenize' } }) },
      }),
      number('Prompts without tokens', {
        about: withoutTokens,
        unit: 'reqps',
        alert: 'WarmrouteFallback',
        queries: { without: orZero(rate(withoutTokens)) },
      }),
      number('Failed calls', {
        about: tokenizeCalls,
        unit: 'percentunit',
        limits: { warn: 0.01, bad: 0.1 },
        alert: 'WarmrouteFallback',
        queries: {
          failed: share(
            `(${orZero(rate(tokenizeCalls, { where: { kind: FAILED } }))})`,
            rate(tokenizeCalls, { where: { kind: CALLS } }),
          ),
        },
      }),
      number('Circuits open', {
        about: tokenizerCircuits,
        unit: 'short',
        limits: { warn: 1, bad: 3 },
        alert: 'WarmrouteTokenizerCircuitOpen',
        queries: { open: orZero(gauge('sum', tokenizerCircuits)) },
      }),
      number('Second tries', {
        about: {
          help: 'Calls to a second pod, as the first one failed (`retry`) or was slow (`hedge`).',
          bad: 'A steady share of the prompts: some engines fail or are slow to tokenize.',
        },
        unit: 'reqps',
        queries: { again: orZero(rate(tokenizeCalls, { where: { kind: ['retry', 'hedge'] } })) },
      }),
    ],
    'How it goes': [
      lines('What calls came to', {
        about: tokenizeCalls,
        unit: 'reqps',
        stacked: true,
        alert: 'WarmrouteFallback',
        queries: {
          '{{kind}} {{route}}': rate(tokenizeCalls, { by: ['kind', 'route'], where: { kind: CALLS } }),
        },
      }),
      lines('Cache, retries and hedges', {
        about: tokenizeCalls,
        unit: 'reqps',
        queries: {
          '{{kind}}': rate(tokenizeCalls, {
            by: ['kind'],
            where: { kind: ['hit', 'shared', 'retry', 'hedge', 'no_form'] },
          }),
        },
      }),
      lines('Prompts without tokens by reason', {
        about: withoutTokens,
        unit: 'reqps',
        stacked: true,
        alert: 'WarmrouteFallback',
        queries: { '{{why}}': rate(withoutTokens, { by: ['why'] }) },
      }),
      lines('Calls to engines', {
        about: tokenizeCallSeconds,
        unit: 's',
        queries: {
          '{{route}} p50': quantile(0.5, tokenizeCallSeconds, { by: ['route'] }),
          '{{route}} p99': quantile(0.99, tokenizeCallSeconds, { by: ['route'] }),
        },
      }),
      lines('Tokenizing, with the cache', {
        about: stageSeconds,
        unit: 's',
        queries: {
          p50: quantile(0.5, stageSeconds, { where: { stage: 'tokenize' } }),
          p90: quantile(0.9, stageSeconds, { where: { stage: 'tokenize' } }),
          p99: quantile(0.99, stageSeconds, { where: { stage: 'tokenize' } }),
        },
      }),
      lines('Pods whose tokenizer is not asked', {
        about: tokenizerCircuits,
        unit: 'short',
        alert: 'WarmrouteTokenizerCircuitOpen',
        queries: { '{{pod}}': `${gauge('max', tokenizerCircuits, { by: ['pod'] })} > 0` },
      }),
    ],
    'Bodies of conversations': [
      lines('Known from earlier bodies', {
        about: bodyBytes,
        unit: 'percentunit',
        queries: {
          'of the bytes': share(rate(bodyBytes, { where: { from: 'known' } }), rate(bodyBytes)),
        },
      }),
      lines('Memory for parsed bodies', {
        about: knownBodyBytes,
        unit: 'bytes',
        queries: { '{{instance}}': gauge('max', knownBodyBytes, { by: ['instance'] }) },
      }),
    ],
    'Computed in process': [
      lines('Prompts, by how they got their tokens', {
        about: exactTokens,
        unit: 'reqps',
        queries: { '{{how}}': rate(exactTokens, { by: ['how'] }) },
      }),
      lines('Time of those computed', {
        about: exactTokensSeconds,
        unit: 's',
        queries: { p50: quantile(0.5, exactTokensSeconds), p99: quantile(0.99, exactTokensSeconds) },
      }),
      lines('Kept from earlier prompts', {
        about: promptCharacters,
        unit: 'percentunit',
        queries: {
          'of the characters': share(
            rate(promptCharacters, { where: { from: 'segments' } }),
            rate(promptCharacters),
          ),
        },
      }),
      lines('Memory for tokenized prompts', {
        about: segmentBytes,
        unit: 'bytes',
        queries: { '{{instance}}': gauge('max', segmentBytes, { by: ['instance'] }) },
      }),
      lines('Compared with engines', {
        about: tokenComparisons,
        unit: 'reqps',
        queries: { '{{outcome}}': rate(tokenComparisons, { by: ['outcome'] }) },
      }),
      lines('Endpoints whose tokens are not used', {
        about: tokensTrusted,
        unit: 'short',
        alert: 'WarmrouteTokensDoubted',
        queries: {
          '{{model}} {{endpoint}}': `1 - ${gauge('max', tokensTrusted, { by: ['model', 'endpoint'] })} > 0`,
        },
      }),
    ],
  },
};
