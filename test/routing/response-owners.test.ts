import { assert } from 'chai';
import { endpointOf } from '../../src/domain.ts';
import { ResponseOwners } from '../../src/routing/response-owners.ts';
import { aPod } from '../support/builders.ts';

const a = aPod({ name: 'a', port: 1 });
const b = aPod({ name: 'b', port: 2 });

describe('Who made a response', () => {
  let owners: ResponseOwners;

  beforeEach(() => {
    owners = new ResponseOwners(3);
    for (const pod of [a, b]) owners.joined(pod);
  });

  it('is found among the pods that may be picked', () => {
    owners.made('r1', endpointOf(b));
    assert.equal(owners.among([a, b], 'r1'), b);
    assert.isUndefined(owners.among([a], 'r1'));
    assert.isUndefined(owners.among([a, b], 'r2'));
    assert.isUndefined(owners.among([a, b], undefined));
  });

  it('is the pod as it is now, which may have other labels', () => {
    owners.made('r1', endpointOf(b));
    const relabelled = { ...b, labels: { tenant: 'x' } };
    assert.equal(owners.among([a, relabelled], 'r1'), relabelled);
  });

  it('is forgotten with the pod, also when another one comes to its address', () => {
    owners.made('r1', endpointOf(b));
    owners.left(b);
    const next = { ...b, name: 'b2' };
    owners.joined(next);
    assert.isUndefined(owners.among([a, next], 'r1'));
    assert.equal(owners.size, 0);
    owners.left(b);
    owners.made('r2', endpointOf(next));
    assert.equal(owners.among([a, next], 'r2'), next);
  });

  it('is not remembered of who is no pod', () => {
    owners.made('r1', endpointOf(aPod({ port: 9 })));
    assert.equal(owners.size, 0);
  });

  it('is remembered of so many, those used last', () => {
    for (const id of ['r1', 'r2', 'r3']) owners.made(id, endpointOf(a));
    owners.among([a], 'r1');
    owners.made('r4', endpointOf(a));
    assert.equal(owners.size, 3);
    assert.equal(owners.among([a], 'r1'), a);
    assert.isUndefined(owners.among([a], 'r2'));
  });

  it('is not remembered of ids that are too long, or empty', () => {
    for (const id of ['', 'x'.repeat(257)]) {
      owners.made(id, endpointOf(a));
      assert.isUndefined(owners.among([a], id));
    }
    owners.made('x'.repeat(256), endpointOf(a));
    assert.equal(owners.size, 1);
  });

  it('is not remembered at all with a bound of 0', () => {
    const none = new ResponseOwners(0);
    none.joined(a);
    none.made('r1', endpointOf(a));
    assert.isFalse(none.remembers);
    assert.isUndefined(none.among([a], 'r1'));
    assert.equal(none.size, 0);
  });
});
