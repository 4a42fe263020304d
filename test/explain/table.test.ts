import { assert } from 'chai';
import type { CandidateRecord, DecisionRecord } from '../../src/explain/record.ts';
import { decisionTable } from '../../src/explain/table.ts';

const CANDIDATE: CandidateRecord = {
  ...{ pod: 'engine-0', endpoint: '10.0.0.1:8000', health: 'healthy', running: 12, matchedBlocks: 93 },
  ...{ totalBlocks: 100, cpu: 0, storage: 0, score: 93, verdict: 'holds the most, not too busy' },
};

const RECORD: DecisionRecord = {
  ...{ id: 'r-1', at: '2026-01-02T03:04:05.678Z', path: '/v1/chat/completions', model: 'llama' },
  ...{ outcome: 'routed', strategy: 'prefix-cache', reason: 'prefix_match', pod: 'engine-0' },
  ...{ endpoint: '10.0.0.1:8000', rank: 1, retries: ['engine-1', 'engine-2'] },
  ...{
    tokens: 1_610,
    blockSizeTokens: 16,
    totalBlocks: 100,
    matchedBlocks: 93,
    offGpu: { cpu: 3, storage: 2 },
  },
  candidates: [
    { ...CANDIDATE, cpu: 3, storage: 2 },
    {
      ...CANDIDATE,
      pod: 'engine-1',
      running: 0,
      matchedBlocks: 0,
      score: null,
      verdict: 'holds nothing of it',
    },
  ],
  candidatesLeftOut: 998,
  policy: ['1000 pods serve the model.', 'a '.repeat(90).trim()],
  stages: [
    { stage: 'parse', microseconds: 12 },
    { stage: 'match', microseconds: 40 },
    { stage: 'hash', microseconds: 30 },
  ],
  tookMicroseconds: 150,
};

describe('a decision as a table', () => {
  it('is one screen', () => {
    assert.deepEqual(decisionTable(RECORD).split('\n'), [
      '/v1/chat/completions, model llama: routed to engine-0, prefix_match',
      '',
      'request   r-1, 2026-01-02T03:04:05.678Z',
      'to        10.0.0.1:8000, rank 1',
      'strategy  prefix-cache',
      'prompt    1610 tokens, 93 of 100 blocks of 16 matched, 3 of them on the CPU, 2 in storage',
      'next      engine-1, engine-2',
      '',
      'Candidates, best first:',
      '   pod       health   in flight  blocks  cpu+disk  score  why',
      '>  engine-0  healthy         12  93/100       3+2     93  holds the most, not too busy',
      '   engine-1  healthy          0   0/100         -      -  holds nothing of it',
      '   and 998 more',
      '',
      'Policy:',
      '  1. 1000 pods serve the model.',
      `  2. ${'a '.repeat(48).trim()}`,
      `     ${'a '.repeat(42).trim()}`,
      '',
      'Took 150 µs: parse 12, match 40, of that hash 30',
    ]);
  });

  it('says who served, why there are no tokens, and shows the prompt where it is shown', () => {
    const { tokens: _, ...rest } = RECORD;
    const table = decisionTable({
      ...rest,
      ...{ traceId: '0af7', withoutTokens: 'deadline', prompt: 'Once upon\na time' },
      served: { status: 200, pod: 'engine-2', answeredMs: 42 },
    });
    assert.include(table, 'served    200 by engine-2, answer began after 42 ms');
    assert.include(table, 'prompt    without tokens: deadline');
    assert.include(table, 'text      Once upon a time');
    assert.include(table, 'trace 0af7');
  });

  it('says of a request that nobody waited for that it was sent nowhere', () => {
    const [first] = decisionTable({ ...RECORD, reason: 'cancelled' }).split('\n');
    assert.match(first!, /: nobody waited for a pod, cancelled$/);
  });

  for (const [outcome, words] of [
    ['rejected', ': rejected, unknown_model'],
    ['undecided', ': no pod is picked'],
    ['passed', ': passed on to Envoy’s routes'],
  ] as const) {
    it(`is short where nobody was picked: ${outcome}`, () => {
      const table = decisionTable({
        ...{ id: 'r', at: RECORD.at, path: 'other', model: null, outcome, error: 'unknown_model' },
        ...{ candidates: [], candidatesLeftOut: 0, policy: ['Why.'], stages: [], tookMicroseconds: 7 },
      });
      assert.equal(table.split('\n')[0], `another path, no model${words}`);
      assert.notInclude(table, 'Candidates');
      assert.include(table, 'Took 7 µs');
    });
  }

  it('has nothing that means something to a terminal, and no line over a hundred columns', () => {
    const evil = `\u001b[2J\u009b31m\u202e${'x'.repeat(300)}`;
    const table = decisionTable({
      ...RECORD,
      ...{ id: evil, model: evil, prompt: `${evil} `.repeat(20), pod: evil, strategy: evil },
      candidates: [{ ...CANDIDATE, pod: evil }],
      policy: [evil],
      served: { status: 200, pod: evil, answeredMs: 1 },
    });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.notMatch(table, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    for (const line of table.split('\n')) assert.isAtMost(line.length, 100);
  });
});
