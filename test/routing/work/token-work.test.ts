import { assert } from 'chai';
import fc from 'fast-check';
import { TokenWork } from '../../../src/routing/work/token-work.ts';
import { aPod } from '../../support/builders.ts';

const BLOCK = 16;

describe('work in tokens', () => {
  const a = aPod({ name: 'a', port: 1 });
  const b = aPod({ name: 'b', port: 2 });
  let now = 0;

  beforeEach(() => {
    now = 0;
  });

  const workOf = (work: TokenWork, pod = a) => {
    const { queuedTokens, decoding } = work.of(pod);
    return { queuedTokens, decoding };
  };

  it('is what was routed and not announced since', () => {
    const work = new TokenWork(() => now);
    work.routed(a, 1_000);
    work.routed(a, 500);
    work.announced(a, 32, BLOCK);
    assert.deepEqual(workOf(work), { queuedTokens: 1_500 - 512, decoding: 0 });
    assert.deepEqual(workOf(work, b), { queuedTokens: 0, decoding: 0 });
  });

  it('takes a prompt for computed when less than a block of it is left', () => {
    const work = new TokenWork(() => now);
    work.routed(a, 100);
    work.announced(a, 5, BLOCK);
    assert.deepEqual(workOf(work), { queuedTokens: 20, decoding: 0 });
    work.announced(a, 1, BLOCK);
    assert.deepEqual(workOf(work), { queuedTokens: 0, decoding: 1 });
  });

  it('takes off the oldest prompt first, and what is more off the next one', () => {
    const work = new TokenWork(() => now);
    const first = work.routed(a, 160);
    work.routed(a, 320);
    work.announced(a, 12, BLOCK);
    assert.deepEqual(workOf(work), { queuedTokens: 288, decoding: 1 });
    first.ended();
    assert.deepEqual(workOf(work), { queuedTokens: 288, decoding: 0 });
  });

  it('takes a single block for generated tokens where something is decoding', () => {
    const work = new TokenWork(() => now);
    work.routed(a, 160);
    work.announced(a, 10, BLOCK);
    work.routed(a, 320);
    work.announced(a, 1, BLOCK);
    assert.deepEqual(workOf(work), { queuedTokens: 320, decoding: 1 });
  });

  it('ends with its request, announced or not, once', () => {
    const work = new TokenWork(() => now);
    const [waiting, decoding] = [work.routed(b, 400), work.routed(a, 160)];
    work.announced(a, 10, BLOCK);
    for (const lease of [waiting, decoding, waiting, decoding]) lease.ended();
    assert.deepEqual(workOf(work), { queuedTokens: 0, decoding: 0 });
    assert.deepEqual(workOf(work, b), { queuedTokens: 0, decoding: 0 });
  });

  it('is that of an address, and nothing to a pod that is not known', () => {
    const work = new TokenWork(() => now);
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
    const work = new TokenWork(() => now);
    const before = work.routed(a, 100);
    work.forget(a);
    work.routed(a, 30);
    before.ended();
    assert.deepEqual(workOf(work), { queuedTokens: 30, decoding: 0 });
  });

  it('has a rate as soon as enough has been announced, and until then that of the fastest', () => {
    const work = new TokenWork(() => now);
    const pods = [a, b, aPod({ name: 'c', port: 3 })];
    const rates = () => [...work.ofAll(pods).prefillRate];
    assert.deepEqual(rates(), [10, 10, 10]);
    for (const [pod, ms] of [
      [a, 1_000],
      [b, 500],
    ] as const) {
      const lease = work.routed(pod, 16_384);
      now += ms;
      work.announced(pod, 512, BLOCK);
      now += ms;
      work.announced(pod, 512, BLOCK);
      lease.ended();
      // What comes next ends the step.
      work.routed(pod, 160);
      now += 10;
      work.announced(pod, 10, BLOCK);
    }
    assert.deepEqual(rates(), [8.192, 16.384, 16.384]);
    assert.equal(work.of(a).prefillRate, 8.192);
    work.forget(b);
    assert.deepEqual(rates(), [8.192, 8.192, 8.192]);
    assert.isUndefined(work.of(b).prefillRate);
  });

  it('becomes less while a step is running, by what is computed in that time of what was there when it began', () => {
    const work = new TokenWork(() => now);
    const queued = () => work.of(a).queuedTokens;
    work.routed(a, 16_384);
    now = 400;
    assert.equal(queued(), 16_384, 'its rate is not known');
    for (const ms of [1_000, 2_000]) {
      now = ms;
      work.announced(a, 256, BLOCK);
    }
    // 4.096 tokens a millisecond; the rest of the prompt has begun.
    assert.equal(queued(), 8_192);
    now = 2_500;
    assert.equal(queued(), 8_192 - 2_048);
    work.routed(a, 1_000);
    now = 60_000;
    assert.equal(queued(), 1_000, 'what was sent later is not in the step');
    work.announced(a, 512, BLOCK);
    assert.equal(queued(), 1_000);
  });

  it('of a list is that of now, after a pod has been forgotten, too', () => {
    const work = new TokenWork(() => now);
    const pods = [a, b];
    const queued = () => [...work.ofAll(pods).queuedTokens];
    work.routed(a, 100);
    assert.deepEqual(queued(), [100, 0]);
    work.forget(a);
    assert.deepEqual(queued(), [0, 0]);
    work.routed(a, 50);
    work.routed(b, 20);
    assert.deepEqual(queued(), [50, 20]);
  });

  it('is never below zero, and zero when all have ended', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('routed' as const), tokens: fc.nat(2_000) }),
      fc.record({ kind: fc.constant('announced' as const), tokens: fc.nat(130) }),
      fc.record({ kind: fc.constant('ended' as const), tokens: fc.nat(100) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
        const work = new TokenWork(() => now);
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
        assert.deepEqual(workOf(work), { queuedTokens: 0, decoding: 0 });
      }),
    );
  });
});
