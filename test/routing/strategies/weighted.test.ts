import { assert } from 'chai';
import type { WeightedStrategy } from '../../../src/domain.ts';
import { DEFAULT_COSTS, type Snapshot } from '../../../src/routing/policy.ts';
import { scorersWith } from '../../../src/routing/strategies/scores.ts';
import { normalized, weighted, weightedSums } from '../../../src/routing/strategies/weighted.ts';
import { anEngineLoad, aStrategy, UNKNOWN_LOAD } from '../../support/builders.ts';
import { assertUniform, pickedBy, snapshotOf, tally } from '../../support/candidates.ts';

const SCORERS = scorersWith(DEFAULT_COSTS);

const NONE = Number.NaN;

function membersOf(text: string): readonly WeightedStrategy[] {
  const strategy = aStrategy(text);
  if (strategy.kind === 'single') assert.fail(`one strategy only: ${text}`);
  return strategy.members;
}

/** What three pods are scored by: `most` by prefix-cache, `least` by least-gpu-cache (NaN: its engine does not say). */
function scored(most: readonly number[], least: readonly number[], random = () => 0): Snapshot {
  return {
    ...snapshotOf(
      most.map(matched => [0, matched, 100]),
      random,
    ),
    engineLoad: ({ port }) => {
      const kvUsage = least[port - 8_000]!;
      return Number.isNaN(kvUsage) ? UNKNOWN_LOAD : anEngineLoad({ kvUsage });
    },
  };
}

describe('a weighted list', () => {
  describe('turns scores into shares between worst and best', () => {
    // The cases of `TestScoreAndRank` and `TestNormalizeScoresArrayHandlesInfiniteValues` in AIBrix's algorithms/router_test.go.
    const table: [title: string, scores: number[], best: 'most' | 'least', expected: number[]][] = [
      ['the highest is best', [10, 20, 30], 'most', [0, 0.5, 1]],
      ['the lowest is best', [10, 20, 30], 'least', [1, 0.5, 0]],
      ['who is not scored has none', [100, 50, NONE], 'most', [1, 0, 0]],
      ['nobody is scored', [NONE, NONE, NONE], 'most', [0, 0, 0]],
      ['equals are all best, but for who is not scored', [10, 10, NONE], 'most', [1, 1, 0]],
      ['what is infinite is not scored', [Infinity, 20, 10, -Infinity], 'most', [0, 1, 0, 0]],
    ];
    for (const [title, scores, best, expected] of table)
      it(title, () => assert.deepEqual(normalized(scores, best), expected));
  });

  describe('adds the shares up by weight', () => {
    // The same test's, with the strategies that score so.
    const table: [title: string, list: string, snapshot: Snapshot, sums: number[], picks: string][] = [
      [
        'different weights',
        'prefix-cache:2,least-gpu-cache:8',
        scored([100, 50, 0], [30, 20, 10]),
        [0.2, 0.5, 0.8],
        'c',
      ],
      [
        'the first of equals, of a list that chance has shuffled',
        'least-gpu-cache,prefix-cache',
        scored([10, 20, 30], [-100, -50, NONE]),
        [0.5, 0.25, 0.5],
        'a',
      ],
      [
        'one that scores nobody adds nothing',
        'least-gpu-cache,prefix-cache',
        scored([10, 30, 20], [NONE, NONE, NONE]),
        [0, 0.5, 0.25],
        'b',
      ],
      [
        'weight 1 by default',
        'prefix-cache,least-gpu-cache:3',
        scored([10, 20, 30], [10, 20, 30]),
        [0.75, 0.5, 0.25],
        'a',
      ],
    ];
    for (const [title, list, snapshot, sums, picks] of table) {
      it(title, () => {
        const { sums: actual } = weightedSums(membersOf(list), snapshot, SCORERS);
        for (const [i, sum] of sums.entries()) assert.closeTo(actual[i]!, sum, 1e-9);
        assert.equal(
          pickedBy(each => weighted(membersOf(list), each, SCORERS), snapshot),
          picks,
        );
      });
    }

    it('the documented example of a middle way', () => {
      const requests = [1, 50, 10];
      const tokens = [1500, 15, 150];
      const snapshot: Snapshot = {
        ...snapshotOf(requests.map(running => [running])),
        engineLoad: ({ port }) =>
          anEngineLoad({
            recent: { ...anEngineLoad().recent, promptTokens: tokens[port - 8_000]! / 2, generatedTokens: 0 },
          }),
      };
      const [a, b, c] = weightedSums(membersOf('least-request:1,throughput:1'), snapshot, SCORERS).sums;
      assert.closeTo(a!, 0.5, 1e-9);
      assert.closeTo(b!, 0.5, 1e-9);
      assert.closeTo(c!, 0.86, 0.005);
    });
  });

  it('picks any of those with the highest sum, with equal chance', () => {
    const counts = tally(random => {
      const snapshot = scored([10, 10, 0], [10, 10, 10], random);
      return pickedBy(each => weighted(membersOf('prefix-cache,least-gpu-cache'), each, SCORERS), snapshot);
    });
    assertUniform(counts, 'ab');
  });

  it('compares whole percents of the prompt, as AIBrix does', () => {
    const rows = [
      [0, 334, 1_000],
      [0, 330, 1_000],
      [0, 0, 1_000],
    ] as const;
    const { sums } = weightedSums(membersOf('prefix-cache:3,least-request'), snapshotOf(rows), SCORERS);
    assert.deepEqual(sums, [1, 1, 0.25]);
  });

  it('prefers the pod of a session, and does not insist on it', () => {
    const session = { id: Buffer.from('127.0.0.1:8001').toString('base64'), key: undefined };
    const snapshot = { ...snapshotOf([[0], [9], [5]]), session };
    assert.equal(
      pickedBy(each => weighted(membersOf('session-affinity:2,least-request'), each, SCORERS), snapshot),
      'b',
    );
    assert.equal(
      pickedBy(each => weighted(membersOf('session-affinity,least-request:2'), each, SCORERS), snapshot),
      'a',
    );
  });

  it('names who was not heard, and picks by load where nobody was', () => {
    const snapshot = { ...snapshotOf([[2], [1], [3]]), engineLoad: () => UNKNOWN_LOAD };
    const some = weighted(membersOf('throughput:9,least-request'), snapshot, SCORERS);
    assert.deepInclude(some, { index: 1, reason: 'weighted', unscored: ['throughput'] });
    const none = weighted(membersOf('throughput:9,least-latency'), snapshot, SCORERS);
    assert.deepInclude(none, {
      index: 1,
      reason: 'no_engine_metrics',
      unscored: ['throughput', 'least-latency'],
    });
  });

  it('does not hear one that knows one pod of many: that one would get everything', () => {
    const snapshot: Snapshot = {
      ...snapshotOf([[9], [0], [5]]),
      engineLoad: ({ port }) => (port === 8_000 ? anEngineLoad() : UNKNOWN_LOAD),
    };
    const pick = weighted(membersOf('least-kv-cache:9,least-request'), snapshot, SCORERS);
    assert.deepInclude(pick, { index: 1, unscored: ['least-kv-cache'] });
  });
});
