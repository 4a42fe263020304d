import { assert } from 'chai';
import { leastRequest, policies } from '../../src/routing/policy.ts';
import { assertUniform, type Row, snapshotOf, tally } from '../support/candidates.ts';

const options = { imbalanceRequests: 8, standardDeviationFactor: 1 };

describe('the other policies', () => {
  const all = policies(options);

  it('are named after their strategies, which are their reasons', () => {
    for (const [name, policy] of Object.entries(all)) {
      const pick = policy(snapshotOf([[0]]));
      assert.equal(pick.reason, name === 'prefix-cache' ? 'no_match' : name);
      assert.equal(pick.candidate.pod.name, 'a');
      assert.isFalse(pick.imbalanced);
    }
  });

  it('apply the options to prefix-cache', () => {
    const strict = policies({ imbalanceRequests: 0, standardDeviationFactor: 1 });
    assert.equal(
      strict['prefix-cache'](
        snapshotOf([
          [1, 9],
          [0, 1],
        ]),
      ).candidate.pod.name,
      'b',
    );
    assert.equal(
      all['prefix-cache'](
        snapshotOf([
          [1, 9],
          [0, 1],
        ]),
      ).candidate.pod.name,
      'a',
    );
  });

  it('least-request picks any of the least loaded, with equal chance, whatever they hold', () => {
    const rows: Row[] = [[2, 9], [1], [1, 5], [3]];
    assertUniform(
      tally(random => leastRequest(snapshotOf(rows, random)).pod.name),
      'bc',
    );
    assertUniform(
      tally(random => all['least-request'](snapshotOf(rows, random)).candidate.pod.name),
      'bc',
    );
  });

  it('random picks any pod, with equal chance, whatever its load', () => {
    const rows: Row[] = [[0], [9], [3, 9]];
    assertUniform(
      tally(random => all.random(snapshotOf(rows, random)).candidate.pod.name),
      'abc',
    );
  });

  it('round-robin takes turns', () => {
    const rows: Row[] = [[0], [9], [3, 9]];
    const picked = [0, 1, 2, 3, 4, 5, 6].map(
      turn => all['round-robin'](snapshotOf(rows, Math.random, turn)).candidate.pod.name,
    );
    assert.equal(picked.join(''), 'abcabca');
  });

  it('power-of-two picks the less loaded of two, so never the most loaded of three', () => {
    const counts = tally(
      random => all['power-of-two'](snapshotOf([[5], [1], [3]], random)).candidate.pod.name,
    );
    // Each pair has chance 1/3: b wins two of them, c one.
    assert.sameMembers(Object.keys(counts), ['b', 'c']);
    assert.closeTo(counts.b!, 4_000, 240);
  });

  it('power-of-two is fair among equals', () => {
    assertUniform(
      tally(random => all['power-of-two'](snapshotOf([[1], [1], [1]], random)).candidate.pod.name),
      'abc',
    );
  });
});
