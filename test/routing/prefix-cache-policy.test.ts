import { assert } from 'chai';
import fc from 'fast-check';
import { type Pick, prefixCache, type Snapshot } from '../../src/routing/policy.ts';
import { assertUniform, generator, pickedBy, type Row, snapshotOf, tally } from '../support/candidates.ts';

const options = { imbalanceRequests: 8, standardDeviationFactor: 1 };
const byPrefix = (snapshot: Snapshot) => prefixCache(snapshot, options);

describe('the prefix-cache policy', () => {
  interface Case {
    readonly title: string;
    readonly rows: readonly Row[];
    readonly picks: string;
    readonly reason: Pick['reason'];
    readonly imbalanced?: true;
    readonly factor?: number;
    readonly imbalance?: number;
  }

  const cases: Case[] = [
    {
      title: 'picks the longest match',
      rows: [
        [0, 3],
        [0, 7],
        [0, 5],
      ],
      picks: 'b',
      reason: 'prefix_match',
    },
    {
      title: 'prefers a longer match to less load, within the bound',
      rows: [
        [0, 3],
        [1, 7],
        [2, 0],
      ],
      picks: 'b',
      reason: 'prefix_match',
    },
    {
      title: 'picks the less loaded of equal matches',
      rows: [
        [2, 5],
        [1, 5],
        [3, 5],
      ],
      picks: 'b',
      reason: 'prefix_match',
    },
    {
      title: 'compares whole percents: 334 of 1000 blocks is no more than 330',
      rows: [
        [1, 334, 1_000],
        [0, 330, 1_000],
        [1, 0, 1_000],
      ],
      picks: 'b',
      reason: 'prefix_match',
    },
    {
      title: 'compares shares, not blocks, when block sizes differ',
      rows: [[0, 8, 16], [0, 3, 4], [0]],
      picks: 'b',
      reason: 'prefix_match',
    },
    {
      title: 'lets 1 % beat 0 %',
      rows: [
        [0, 0, 100],
        [0, 1, 100],
        [0, 0, 100],
      ],
      picks: 'b',
      reason: 'prefix_match',
    },
    {
      title: 'lets a match of less than 1 % beat none',
      rows: [
        [0, 0, 1_000],
        [0, 0, 1_000],
        [0, 1, 1_000],
      ],
      picks: 'c',
      reason: 'prefix_match',
    },
    {
      title: 'takes a difference of exactly the threshold for balanced',
      rows: [
        [8, 9],
        [0, 1],
        [8, 0],
      ],
      factor: 2,
      picks: 'a',
      reason: 'prefix_match',
    },
    {
      title: 'looks only at the least loaded pods above the threshold',
      rows: [
        [9, 9],
        [0, 1],
        [9, 0],
      ],
      factor: 2,
      picks: 'b',
      reason: 'prefix_match',
      imbalanced: true,
    },
    {
      title: 'does not look at the second least loaded pod when imbalanced',
      rows: [
        [9, 9],
        [1, 9],
        [0, 2],
        [0, 3],
      ],
      picks: 'd',
      reason: 'prefix_match',
      imbalanced: true,
    },
    {
      title: 'finds no match when imbalanced and the least loaded pods hold nothing',
      rows: [
        [9, 9],
        [0, 0],
        [5, 5],
      ],
      picks: 'b',
      reason: 'no_match',
      imbalanced: true,
    },
    {
      // Mean 4, sample deviation √3 = 1.73: bound 5.73.
      title: 'skips a holder above mean + factor × deviation',
      rows: [
        [6, 9],
        [3, 0],
        [3, 0],
      ],
      picks: 'bc',
      reason: 'prefix_match_skipped',
    },
    {
      // [2, 2, 5]: mean 3, sample deviation √3 = 1.732, population deviation √2 = 1.414; bound 3 + 1.3 × … is 5.25 or 4.84.
      title: 'uses the sample deviation, with n − 1',
      rows: [
        [5, 9],
        [2, 0],
        [2, 0],
      ],
      factor: 1.3,
      picks: 'a',
      reason: 'prefix_match',
    },
    {
      // Mean 2, deviation 2: bound 4.
      title: 'admits a pod exactly at the bound',
      rows: [
        [4, 9],
        [2, 0],
        [0, 0],
      ],
      picks: 'a',
      reason: 'prefix_match',
    },
    {
      title: 'goes on to a shorter match when the longest is too busy',
      rows: [
        [8, 9],
        [1, 4],
        [1, 0],
        [1, 0],
      ],
      picks: 'b',
      reason: 'prefix_match',
    },
    {
      title: 'falls back to the least loaded of all pods when every holder is too busy',
      rows: [
        [7, 9],
        [0, 0],
        [2, 0],
        [1, 0],
      ],
      picks: 'b',
      reason: 'prefix_match_skipped',
    },
    {
      title: 'picks the least loaded when nobody holds anything',
      rows: [[3], [1], [2]],
      picks: 'b',
      reason: 'no_match',
    },
    {
      title: 'picks the least loaded for a prompt without a full block',
      rows: [
        [1, 0, 0],
        [0, 0, 0],
      ],
      picks: 'b',
      reason: 'no_match',
    },
    { title: 'picks the only pod', rows: [[50, 2]], picks: 'a', reason: 'prefix_match' },
  ];

  for (const { title, rows, picks, reason, factor, imbalance, imbalanced = false } of cases) {
    it(title, () => {
      for (let seed = 0; seed < 20; seed++) {
        const snapshot = snapshotOf(rows, generator(seed));
        const pick = prefixCache(snapshot, {
          imbalanceRequests: imbalance ?? options.imbalanceRequests,
          standardDeviationFactor: factor ?? options.standardDeviationFactor,
        });
        assert.include(picks, snapshot.pods[pick.index]!.name);
        assert.equal(pick.reason, reason);
        assert.deepInclude(pick.comparison, { kind: 'prefix', imbalanced });
      }
    });
  }

  it('picks any of equal holders, with equal chance', () => {
    const rows: Row[] = [
      [1, 5],
      [1, 5],
      [1, 4],
      [1, 5],
    ];
    assertUniform(
      tally(random => pickedBy(byPrefix, snapshotOf(rows, random))),
      'abd',
    );
  });

  it('picks any of the least loaded when nobody holds anything, with equal chance', () => {
    const rows: Row[] = [[1], [0], [0], [1], [0]];
    assertUniform(
      tally(random => pickedBy(byPrefix, snapshotOf(rows, random))),
      'bce',
    );
  });

  it('decides as a plain reading of the rule does', () => {
    const row = fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 10 }));
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 8 }),
        fc.nat({ max: 12 }),
        fc.constantFrom(0.5, 1, 2),
        (rows, imbalanceRequests, standardDeviationFactor) => {
          const pick = prefixCache(snapshotOf(rows), { imbalanceRequests, standardDeviationFactor });
          const loads = rows.map(([running]) => running);
          const min = Math.min(...loads);
          const imbalanced = Math.max(...loads) - min > imbalanceRequests;
          const mean = loads.reduce((a, b) => a + b) / loads.length;
          const squares = loads.reduce((sum, load) => sum + (load - mean) ** 2, 0);
          const bound =
            mean + standardDeviationFactor * (loads.length > 1 ? Math.sqrt(squares / (loads.length - 1)) : 0);
          const matched = rows.filter(([running, held]) => held > 0 && (!imbalanced || running === min));
          const best = matched
            .filter(([running]) => running <= bound)
            .sort(([loadA, heldA], [loadB, heldB]) => heldB - heldA || loadA - loadB)[0];
          const [running, matchedBlocks] = rows[pick.index]!;
          if (best) assert.deepEqual([running, matchedBlocks, pick.reason], [...best, 'prefix_match']);
          else {
            assert.equal(running, min);
            assert.equal(pick.reason, matched.length > 0 ? 'prefix_match_skipped' : 'no_match');
          }
          assert.deepInclude(pick.comparison, { kind: 'prefix', imbalanced, holders: matched.length });
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
