import { assert } from 'chai';
import { createZonePenalties, zoneRelation } from '../../../src/routing/strategies/zone-penalties.ts';
import { aPod } from '../../support/builders.ts';

const inA = aPod({ name: 'a', zone: 'a' });
const inB = aPod({ name: 'b', zone: 'b' });
const unknown = aPod({ name: 'c' });

describe('what pods cost for their zones', () => {
  it('is the penalty in another zone, and nothing where one of the two is not known', () => {
    const penalties = createZonePenalties('a', 10);
    assert.deepEqual(penalties([inA, inB, unknown, inB]), Float64Array.of(0, 10, 0, 10));
    assert.deepEqual(penalties([inB]), Float64Array.of(10));
  });

  for (const [what, own, penaltyMs, pods] of [
    ['the router’s zone is not known', undefined, 10, [inA, inB]],
    ['zones cost nothing', 'a', 0, [inA, inB]],
    ['all are in the router’s zone', 'a', 10, [inA, inA]],
    ['no zone is known', 'a', 10, [unknown]],
  ] as const) {
    it(`is nothing at all where ${what}`, () => {
      const penalties = createZonePenalties(own, penaltyMs);
      for (let again = 0; again < 2; again++) assert.isUndefined(penalties(pods));
    });
  }

  it('is computed once for a list', () => {
    const penalties = createZonePenalties('a', 10);
    const pods = [inA, inB];
    assert.equal(penalties(pods), penalties(pods));
    assert.notEqual(penalties(pods), penalties([...pods]));
  });
});

describe('the relation of a pod to a zone', () => {
  it('is known where both are', () => {
    assert.deepEqual(
      [inA, inB, unknown].map(pod => zoneRelation('a', pod)),
      ['own', 'other', 'unknown'],
    );
    assert.equal(zoneRelation(undefined, inA), 'unknown');
  });
});
