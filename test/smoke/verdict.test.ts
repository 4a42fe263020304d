import { assert } from 'chai';
import type { Observation } from '../../src/smoke/observation.ts';
import { smokeReport } from '../../src/smoke/report.ts';
import { verdictOf } from '../../src/smoke/verdict.ts';

const NOTHING: Observation = {
  ms: 12.3,
  servedBy: undefined,
  promptTokens: 1000,
  cachedTokens: undefined,
  decision: undefined,
};

const decision = (matchedBlocks: number, reason = 'prefix_match') => ({
  reason,
  matchedBlocks,
  totalBlocks: 60,
});

describe('The verdict on two prompts with one prefix', () => {
  const rows: readonly [string, Partial<Observation>, Partial<Observation>, string, RegExp][] = [
    [
      'the engine’s word that it was cached',
      { cachedTokens: 0 },
      { cachedTokens: 960 },
      'warm',
      /had 960 of 1000 tokens/,
    ],
    ['the same, of whoever served', { servedBy: 'a' }, { servedBy: 'b', cachedTokens: 960 }, 'warm', /960/],
    [
      'the engine’s word that little was',
      { servedBy: 'a' },
      { servedBy: 'b', cachedTokens: 16, decision: decision(60) },
      'cold',
      /had 16 of 1000 tokens .*: another pod/,
    ],
    [
      'the same, from one pod',
      { servedBy: 'a' },
      { servedBy: 'a', cachedTokens: 0 },
      'cold',
      /although one pod served both: it has evicted/,
    ],
    ['the same, from nobody knows whom', {}, { cachedTokens: 0 }, 'cold', /had 0 of 1000 tokens[^:]*$/],
    ['the router’s word that it is held', {}, { decision: decision(59) }, 'warm', /holds 59 of 60 blocks/],
    [
      'the router’s word that it is not',
      {},
      { decision: decision(0, 'no_match') },
      'cold',
      /found 0 of 60 blocks on the pod that it chose \(no_match\)/,
    ],
    [
      'the router’s word, where another pod served',
      { servedBy: 'a' },
      { servedBy: 'b', decision: decision(60) },
      'cold',
      /another pod/,
    ],
    [
      'no blocks to match',
      {},
      { decision: { reason: 'only_pod', matchedBlocks: 0, totalBlocks: 0 } },
      'unseen',
      /nothing tells who served/,
    ],
    [
      'two pods alone',
      { servedBy: 'a' },
      { servedBy: 'b' },
      'cold',
      /does not say what was cached: another pod/,
    ],
    ['one pod alone', { servedBy: 'a' }, { servedBy: 'a' }, 'unseen', /may be chance/],
    ['nothing', {}, {}, 'unseen', /nothing tells who served/],
    [
      'a first prompt that was cached',
      { cachedTokens: 900 },
      { cachedTokens: 960 },
      'unseen',
      /which nobody has asked before/,
    ],
    ['tokens of no prompt', {}, { promptTokens: 0, cachedTokens: 0 }, 'unseen', /nothing tells/],
  ];
  for (const [what, first, second, kind, why] of rows) {
    it(`by ${what} is: ${kind}`, () => {
      const verdict = verdictOf({ ...NOTHING, ...first }, { ...NOTHING, ...second });
      assert.equal(verdict.kind, kind);
      assert.match(verdict.why, why);
    });
  }

  it('is reported with what was not seen, and what would show it', () => {
    const result = { url: 'http://gw/v1/completions', model: 'demo', first: NOTHING, second: NOTHING };
    const verdict = verdictOf(NOTHING, NOTHING);
    assert.equal(
      smokeReport({ ...result, verdict }),
      [
        'POST http://gw/v1/completions, model demo, two prompts with one prefix that nobody has asked before',
        '',
        '                first  second',
        'served by       -      -',
        'cached tokens   -      -',
        'matched blocks  -      -',
        'reason          -      -',
        'time            12 ms  12 ms',
        '',
        'CANNOT TELL: nothing tells who served, nor what was cached.',
        '',
        'Not seen:',
        '  served by: shown with WARMROUTE_TARGET_HEADERS=warmroute (=aibrix behind AIBrix’s own Envoy)',
        '  cached tokens: shown with vllm serve --enable-prompt-tokens-details, or SGLang’s --enable-cache-report',
        '  matched blocks: shown with WARMROUTE_DEBUG_HEADERS=true',
        '  reason: shown with WARMROUTE_DEBUG_HEADERS=true',
      ].join('\n'),
    );
  });
});
