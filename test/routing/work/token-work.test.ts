import { assert } from 'chai';
import fc from 'fast-check';
import { TokenWork } from '../../../src/routing/work/token-work.ts';
import { aPod } from '../../support/builders.ts';

const BLOCK = 16;

describe('work in tokens', () => {
  const a = aPod({ name: 'a', port: 1 });
  const b = aPod({ name: 'b', port: 2 });

  it('is what was routed and not announced since', () => {
    const work = new TokenWork();
    work.routed(a, 1_000);
    work.routed(a, 500);
    work.announced(a, 32, BLOCK);
    assert.deepEqual(work.of(a), { queuedTokens: 1_500 - 512, decoding: 0 });
    assert.deepEqual(work.of(b), { queuedTokens: 0, decoding: 0 });
  });

  it('takes a prompt for computed when less than a block of it is left', () => {
    const work = new TokenWork();
    work.routed(a, 100);
    work.announced(a, 5, BLOCK);
    assert.deepEqual(work.of(a), { queuedTokens: 20, decoding: 0 });
    work.announced(a, 1, BLOCK);
    assert.deepEqual(work.of(a), { queuedTokens: 0, decoding: 1 });
  });

  it('takes off the oldest prompt first, and what is more off the next one', () => {
    const work = new TokenWork();
    const first = work.routed(a, 160);
    work.routed(a, 320);
    work.announced(a, 12, BLOCK);
    assert.deepEqual(work.of(a), { queuedTokens: 288, decoding: 1 });
    first.ended();
    assert.deepEqual(work.of(a), { queuedTokens: 288, decoding: 0 });
  });

  it('takes a single block for generated tokens where something is decoding', () => {
    const work = new TokenWork();
    work.routed(a, 160);
    work.announced(a, 10, BLOCK);
    work.routed(a, 320);
    work.announced(a, 1, BLOCK);
    assert.deepEqual(work.of(a), { queuedTokens: 320, decoding: 1 });
  });

  it('ends with its request, announced or not, once', () => {
    const work = new TokenWork();
    const [waiting, decoding] = [work.routed(b, 400), work.routed(a, 160)];
    work.announced(a, 10, BLOCK);
    for (const lease of [waiting, decoding, waiting, decoding]) lease.ended();
    assert.deepEqual(work.of(a), { queuedTokens: 0, decoding: 0 });
    assert.deepEqual(work.of(b), { queuedTokens: 0, decoding: 0 });
  });

  it('is that of an address, and nothing to a pod that is not known', () => {
    const work = new TokenWork();
    work.announced(a, 10, BLOCK);
    work.routed(a, 100);
    const { queuedTokens, decoding } = work.ofAll([b, { ...a, name: 'again' }]);
    assert.deepEqual(
      [[...queuedTokens], [...decoding]],
      [
        [0, 100],
        [0, 0],
      ],
    );
  });

  it('forgets what was under way in a process that is gone', () => {
    const work = new TokenWork();
    const before = work.routed(a, 100);
    work.forget(a);
    work.routed(a, 30);
    before.ended();
    assert.deepEqual(work.of(a), { queuedTokens: 30, decoding: 0 });
  });

  it('is never below zero, and zero when all have ended', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('routed' as const), tokens: fc.nat(2_000) }),
      fc.record({ kind: fc.constant('announced' as const), tokens: fc.nat(130) }),
      fc.record({ kind: fc.constant('ended' as const), tokens: fc.nat(100) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
        const work = new TokenWork();
        const leases: { ended(): void }[] = [];
        for (const { kind, tokens } of steps) {
          if (kind === 'routed') leases.push(work.routed(a, tokens));
          else if (kind === 'announced') work.announced(a, tokens, BLOCK);
          else leases.splice(tokens % (leases.length + 1), 1)[0]?.ended();
          const { queuedTokens, decoding } = work.of(a);
          assert.isAtLeast(queuedTokens, 0);
          assert.isTrue(decoding >= 0 && decoding <= leases.length);
        }
        for (const lease of leases) lease.ended();
        assert.deepEqual(work.of(a), { queuedTokens: 0, decoding: 0 });
      }),
    );
  });
});
