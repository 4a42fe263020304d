import { assert } from 'chai';
import { compareIds } from '../../src/tokenizers/parity/comparison.ts';
import {
  DOUBT_MS,
  FIRST_CHECKS,
  type ParityFact,
  ParityGuard,
} from '../../src/tokenizers/parity/parity-guard.ts';

const CHAT = '/v1/chat/completions';
const EQUAL = { kind: 'equal' } as const;
const DIFFERENT = { kind: 'different', position: 3, ours: 5, engines: 6 } as const;

function guardWith({ checkPercent = 0, random = (): number => 0.5 } = {}) {
  const facts: ParityFact[] = [];
  const clock = { now: 0 };
  const guard = new ParityGuard({
    ...{ checkPercent, random, now: () => clock.now },
    onFact: fact => facts.push(fact),
  });
  return { guard, clock, facts, kinds: () => facts.map(({ kind }) => kind) };
}

describe('the parity guard', () => {
  it('uses nothing before it was the engine’s', () => {
    const { guard } = guardWith();
    assert.isFalse(guard.mayUse('m', CHAT));
    assert.isTrue(guard.wantsCheck('m', CHAT));
    guard.compared('m', CHAT, EQUAL);
    assert.isTrue(guard.mayUse('m', CHAT));
    assert.isFalse(guard.mayUse('m', '/v1/messages'));
    assert.isFalse(guard.mayUse('other', CHAT));
  });

  it('compares the first requests, and then a share', () => {
    let drawn = 0.5;
    const { guard } = guardWith({ checkPercent: 1, random: () => drawn });
    for (let i = 0; i < FIRST_CHECKS; i++) {
      assert.isTrue(guard.wantsCheck('m', CHAT), `${i}`);
      guard.compared('m', CHAT, EQUAL);
    }
    assert.isFalse(guard.wantsCheck('m', CHAT));
    drawn = 0.0099;
    assert.isTrue(guard.wantsCheck('m', CHAT));
  });

  it('does not count a comparison that nobody answered', () => {
    const { guard } = guardWith();
    for (let i = 0; i <= FIRST_CHECKS; i++) guard.compared('m', CHAT, { kind: 'unanswered', why: 'failed' });
    assert.isTrue(guard.wantsCheck('m', CHAT));
    assert.isFalse(guard.mayUse('m', CHAT));
  });

  it('goes back to the engine for ten minutes by one difference, and says so once', () => {
    const { guard, clock, facts } = guardWith();
    guard.compared('m', CHAT, EQUAL);
    guard.compared('m', CHAT, DIFFERENT);
    guard.compared('m', CHAT, DIFFERENT);
    assert.isFalse(guard.mayUse('m', CHAT));
    assert.isTrue(guard.isDoubted('m', CHAT));
    assert.isFalse(guard.wantsCheck('m', CHAT), 'it is known that they differ');
    assert.deepEqual(
      facts.filter(({ kind }) => kind === 'doubted'),
      [{ kind: 'doubted', model: 'm', endpoint: CHAT, difference: DIFFERENT }],
    );
    clock.now = DOUBT_MS - 1;
    assert.isTrue(guard.isDoubted('m', CHAT));
    clock.now = DOUBT_MS;
    assert.isFalse(guard.isDoubted('m', CHAT));
    assert.isFalse(guard.mayUse('m', CHAT), 'to be shown again');
    assert.isTrue(guard.wantsCheck('m', CHAT));
    guard.compared('m', CHAT, EQUAL);
    assert.isTrue(guard.mayUse('m', CHAT));
  });

  it('distrusts one endpoint of one model', () => {
    const { guard } = guardWith();
    for (const path of [CHAT, '/v1/completions']) guard.compared('m', path, EQUAL);
    guard.compared('n', CHAT, EQUAL);
    guard.compared('m', CHAT, DIFFERENT);
    assert.isTrue(guard.mayUse('m', '/v1/completions'));
    assert.isTrue(guard.mayUse('n', CHAT));
  });

  it('takes an endpoint that engines cannot be asked for as it is, until events contradict', () => {
    const { guard, kinds } = guardWith();
    guard.unaskable('m', CHAT);
    assert.isTrue(guard.mayUse('m', CHAT));
    assert.isFalse(guard.wantsCheck('m', CHAT));
    guard.engineChanged('m');
    assert.isFalse(guard.wantsCheck('m', CHAT));
    guard.unconfirmed('m', CHAT);
    assert.isTrue(guard.isDoubted('m', CHAT));
    assert.deepEqual(kinds(), ['trusted', 'doubted']);
  });

  it('is not moved by events where the engine’s own tokens are used', () => {
    const { guard } = guardWith();
    guard.unconfirmed('m', CHAT);
    assert.isFalse(guard.isDoubted('m', CHAT));
  });

  it('compares the first requests again when an engine has changed', () => {
    const { guard } = guardWith();
    for (let i = 0; i < FIRST_CHECKS; i++) guard.compared('m', CHAT, EQUAL);
    assert.isFalse(guard.wantsCheck('m', CHAT));
    guard.engineChanged('m');
    assert.isTrue(guard.mayUse('m', CHAT));
    assert.isTrue(guard.wantsCheck('m', CHAT));
  });

  it('forgets a model, and is bounded by names', () => {
    const { guard } = guardWith();
    for (let i = 0; i < 1_024; i++) guard.compared(`m${i}`, CHAT, EQUAL);
    guard.compared('one more', CHAT, EQUAL);
    assert.isFalse(guard.mayUse('one more', CHAT));
    guard.forget('m0');
    assert.isFalse(guard.mayUse('m0', CHAT));
    assert.equal(guard.records().length, 1_024);
  });

  it('finds the first difference, and which list has ended', () => {
    const ids = (...all: number[]) => Uint32Array.from(all);
    assert.deepEqual(compareIds(ids(1, 2), ids(1, 2)), { kind: 'equal' });
    assert.deepEqual(compareIds(ids(1, 2), ids(1, 3)), {
      ...{ kind: 'different', position: 1, ours: 2, engines: 3 },
    });
    assert.deepEqual(compareIds(ids(1), ids(1, 0)), {
      ...{ kind: 'different', position: 1, ours: undefined, engines: 0 },
    });
  });
});
