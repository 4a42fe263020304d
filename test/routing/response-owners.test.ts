import { assert } from 'chai';
import { endpointOf, type Pod } from '../../src/domain.ts';
import { ResponseOwners } from '../../src/routing/response-owners.ts';
import { aPod } from '../support/builders.ts';
import { HandClock } from '../support/hand-clock.ts';

const a = aPod({ name: 'a', port: 1 });
const b = aPod({ name: 'b', port: 2 });

describe('Who made a response', () => {
  let owners: ResponseOwners;
  let clock: HandClock;
  let asked: Pod[];

  beforeEach(() => {
    asked = [];
    clock = new HandClock();
    owners = new ResponseOwners({
      maxResponses: 3,
      now: clock.now,
      onManyStreamed: pod => void asked.push(pod),
    });
    for (const pod of [a, b]) owners.joined(pod);
  });

  it('is found among the pods that may be picked', () => {
    owners.made('r1', endpointOf(b), 'whole');
    assert.equal(owners.among([a, b], 'r1'), b);
    assert.isUndefined(owners.among([a], 'r1'));
    assert.isUndefined(owners.among([a, b], 'r2'));
    assert.isUndefined(owners.among([a, b], undefined));
  });

  it('is the pod as it is now, which may have other labels', () => {
    owners.made('r1', endpointOf(b), 'whole');
    const relabelled = { ...b, labels: { tenant: 'x' } };
    assert.equal(owners.among([a, relabelled], 'r1'), relabelled);
  });

  it('is forgotten with the pod, also when another one comes to its address', () => {
    owners.made('r1', endpointOf(b), 'whole');
    owners.left(b);
    const next = { ...b, name: 'b2' };
    owners.joined(next);
    assert.isUndefined(owners.among([a, next], 'r1'));
    assert.equal(owners.size, 0);
    owners.left(b);
    owners.made('r2', endpointOf(next), 'whole');
    assert.equal(owners.among([a, next], 'r2'), next);
  });

  it('is not remembered of who is no pod', () => {
    owners.made('r1', endpointOf(aPod({ port: 9 })), 'whole');
    assert.equal(owners.size, 0);
  });

  it('can be looked at without using it', () => {
    for (const id of ['r1', 'r2', 'r3']) owners.made(id, endpointOf(b), 'whole');
    assert.equal(owners.peek([a, b], 'r1'), b);
    assert.isUndefined(owners.peek([a], 'r1'));
    assert.isUndefined(owners.peek([a, b], undefined));
    owners.made('r4', endpointOf(b), 'whole');
    assert.isUndefined(owners.peek([a, b], 'r1'), 'it was used longest ago');
    owners.left(b);
    assert.isUndefined(owners.peek([a, b], 'r4'));
    assert.equal(owners.size, 3, 'nor is it forgotten because of it');
  });

  it('is remembered of so many, those used last', () => {
    for (const id of ['r1', 'r2', 'r3']) owners.made(id, endpointOf(a), 'whole');
    owners.among([a], 'r1');
    owners.made('r4', endpointOf(a), 'whole');
    assert.equal(owners.size, 3);
    assert.equal(owners.among([a], 'r1'), a);
    assert.isUndefined(owners.among([a], 'r2'));
  });

  it('is not remembered of ids that are too long, or empty', () => {
    for (const id of ['', 'x'.repeat(257)]) {
      owners.made(id, endpointOf(a), 'whole');
      assert.isUndefined(owners.among([a], id));
    }
    owners.made('x'.repeat(256), endpointOf(a), 'whole');
    assert.equal(owners.size, 1);
  });

  it('is not remembered at all with a bound of 0', () => {
    const none = new ResponseOwners({ maxResponses: 0, now: clock.now });
    none.joined(a);
    none.made('r1', endpointOf(a), 'whole');
    assert.isFalse(none.follows(a));
    assert.isFalse(none.followsAny);
    assert.isUndefined(none.among([a], 'r1'));
    assert.equal(none.size, 0);
  });

  it('is not looked for, for some time, where the pod says that it keeps none', () => {
    assert.isTrue(owners.followsAny);
    owners.keepsNone(a);
    assert.isFalse(owners.follows(a));
    assert.isTrue(owners.follows(b));
    assert.isTrue(owners.followsAny);
    owners.keepsNone(b);
    assert.isFalse(owners.followsAny);
    clock.advance(600_000);
    assert.isTrue(owners.follows(a));
    owners.keepsNone(a);
    owners.left(a);
    assert.isFalse(owners.follows(a));
    owners.joined(a);
    assert.isTrue(owners.follows(a));
    owners.keepsNone({ ...a, name: 'before' });
    assert.isTrue(owners.follows(a), 'another one at this address');
  });

  it('raises the question after each 16 streamed answers of a pod, and no others', () => {
    for (let i = 0; i < 40; i++) owners.made(`r${i}`, endpointOf(a), 'whole');
    for (let i = 0; i < 15; i++) for (const pod of [a, b]) owners.made(`r${i}`, endpointOf(pod), 'streamed');
    assert.deepEqual(asked, []);
    for (let i = 0; i < 17; i++) owners.made(`r${i}`, endpointOf(b), 'streamed');
    assert.deepEqual(asked, [b, b]);
  });
});
