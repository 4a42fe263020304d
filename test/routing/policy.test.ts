import { assert } from 'chai';
import type { Reason } from '../../src/domain.ts';
import { DEFAULT_COSTS, leastRequest, policies } from '../../src/routing/policy.ts';
import { ENGINE_STRATEGIES } from '../../src/strategies.ts';
import { assertUniform, pickedBy, type Row, snapshotOf, tally } from '../support/candidates.ts';

/** Where nothing is known of the engines, nor of a session. */
const OTHER_REASONS: Readonly<Record<string, Reason>> = {
  'prefix-cost': 'no_match',
  'prefix-cache': 'no_match',
  'session-affinity': 'no_session',
  ...Object.fromEntries(ENGINE_STRATEGIES.map(name => [name, 'no_engine_metrics'] as const)),
};

const options = { imbalanceRequests: 8, standardDeviationFactor: 1, ...DEFAULT_COSTS };

describe('the other policies', () => {
  const all = policies(options);

  it('are named after their strategies, which are their reasons', () => {
    for (const [name, policy] of Object.entries(all)) {
      const { reason, index, comparison } = policy(snapshotOf([[0]]));
      assert.equal(reason, OTHER_REASONS[name] ?? name);
      assert.equal(index, 0);
      assert.notPropertyVal(comparison, 'imbalanced', true);
    }
  });

  it('apply the options to prefix-cache', () => {
    const strict = policies({ ...options, imbalanceRequests: 0 });
    const rows: Row[] = [
      [1, 9],
      [0, 1],
    ];
    assert.equal(pickedBy(strict['prefix-cache'], snapshotOf(rows)), 'b');
    assert.equal(pickedBy(all['prefix-cache'], snapshotOf(rows)), 'a');
  });

  it('least-request picks any of the least loaded, with equal chance, whatever they hold', () => {
    const rows: Row[] = [[2, 9], [1], [1, 5], [3]];
    assertUniform(
      tally(random => pickedBy(leastRequest, snapshotOf(rows, random))),
      'bc',
    );
    assertUniform(
      tally(random => pickedBy(all['least-request'], snapshotOf(rows, random))),
      'bc',
    );
  });

  it('random picks any pod, with equal chance, whatever its load', () => {
    const rows: Row[] = [[0], [9], [3, 9]];
    assertUniform(
      tally(random => pickedBy(all.random, snapshotOf(rows, random))),
      'abc',
    );
  });

  it('round-robin takes turns', () => {
    const rows: Row[] = [[0], [9], [3, 9]];
    const picked = [0, 1, 2, 3, 4, 5, 6].map(turn =>
      pickedBy(all['round-robin'], snapshotOf(rows, Math.random, turn)),
    );
    assert.equal(picked.join(''), 'abcabca');
  });

  it('power-of-two picks the less loaded of two, so never the most loaded of three', () => {
    const counts = tally(random => pickedBy(all['power-of-two'], snapshotOf([[5], [1], [3]], random)));
    // Each pair has chance 1/3: b wins two of them, c one.
    assert.sameMembers(Object.keys(counts), ['b', 'c']);
    assert.closeTo(counts.b!, 4_000, 240);
  });

  it('power-of-two is fair among equals', () => {
    assertUniform(
      tally(random => pickedBy(all['power-of-two'], snapshotOf([[1], [1], [1]], random))),
      'abc',
    );
  });
});
