import { assert } from 'chai';
import fc from 'fast-check';
import {
  Backoff,
  Breaker,
  type BreakerState,
  type CallOutcome,
  deadlineAfter,
  monotonicClock,
  realSleep,
  repeat,
  wallClock,
} from '../src/time.ts';
import { HandClock } from './support/hand-clock.ts';

describe('the clocks', () => {
  it('differ by what the wall is set back', () => {
    const real = Date.now;
    const [monotonicBefore, wallBefore] = [monotonicClock(), wallClock()];
    try {
      Date.now = () => real() - 3_600_000;
      assert.isAtLeast(monotonicClock(), monotonicBefore);
      assert.isBelow(wallClock(), wallBefore);
    } finally {
      Date.now = real;
    }
  });
});

describe('repeat', () => {
  it('waits from the end of one run to the start of the next, and ends with its signal', async () => {
    const clock = new HandClock();
    const stopping = new AbortController();
    const done = Promise.withResolvers<void>();
    let runs = 0;
    const repeating = repeat({
      everyMs: 10,
      sleep: clock.sleep,
      signal: stopping.signal,
      task: () => (++runs === 1 ? done.promise : undefined),
    });
    await clock.sleeps.next();
    clock.advance(10);
    await Promise.resolve();
    assert.deepEqual([runs, clock.sleeping], [1, 0]);
    done.resolve();
    await clock.sleeps.next();
    stopping.abort();
    await repeating;
    assert.equal(runs, 1);
  });

  it('fails with its task', async () => {
    const { signal } = new AbortController();
    const task = () => assert.fail('broken');
    const error = await repeat({ everyMs: 0, sleep: realSleep, signal, task }).catch(caught => caught);
    assert.equal(error.message, 'broken');
  });
});

describe('a deadline', () => {
  const LATE = new Error('late');
  const { signal: never } = new AbortController();

  it('ends the race with its reason', async () => {
    const deadline = deadlineAfter(1, never, LATE);
    assert.equal(await deadline.race(new Promise(() => {})).catch(caught => caught), LATE);
    assert.equal(deadline.signal.reason, LATE);
    assert.equal(
      await deadline.race(new Promise(() => {})).catch(caught => caught),
      LATE,
      'and each later one',
    );
  });

  it('ends with the reason of the outer signal, also one that is aborted already', async () => {
    const outer = new AbortController();
    const deadline = deadlineAfter(1_000_000, outer.signal, LATE);
    outer.abort('over');
    assert.equal(await deadline.race(new Promise(() => {})).catch(caught => caught), 'over');
    deadline.clear();
    const late = deadlineAfter(1_000_000, outer.signal, LATE);
    assert.equal(late.signal.reason, 'over');
    late.clear();
  });

  it('is over with the work, whose outcome the race has', async () => {
    const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length;
    // Mocha's own timer is set by now.
    await Promise.resolve();
    const before = timers();
    const deadline = deadlineAfter(1_000_000, never, LATE);
    assert.equal(await deadline.race(Promise.resolve(3)), 3);
    assert.equal(await deadline.race(Promise.reject('no')).catch(caught => caught), 'no');
    deadline.clear();
    assert.equal(timers(), before);
  });
});

describe('back-off', () => {
  it('may leave a wait to chance as a whole', () => {
    const chances = [0, 0.25, 0.999];
    const backoff = new Backoff({ firstMs: 100, maxMs: 300, jitter: 1, random: () => chances.shift()! });
    assert.deepEqual([backoff.next(), backoff.next()], [100, 150]);
    assert.approximately(backoff.next(), 0, 1);
  });

  it('doubles up to its longest wait, and begins again', () => {
    const backoff = new Backoff({ firstMs: 100, maxMs: 700, random: () => 0 });
    const waits = Array.from({ length: 5 }, () => backoff.next());
    assert.deepEqual(waits, [100, 200, 400, 700, 700]);
    backoff.reset();
    assert.equal(backoff.next(), 100);
  });

  it('is never longer than that, and never less than half of it', () => {
    const options = fc.record({
      firstMs: fc.integer({ min: 1, max: 1e4 }),
      maxMs: fc.integer({ min: 1, max: 1e6 }),
    });
    const randoms = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(options, randoms, ({ firstMs, maxMs }, values) => {
        const backoff = new Backoff({ firstMs, maxMs, random: () => values[turn]! });
        let turn = 0;
        for (; turn < values.length; turn++) {
          const whole = Math.min(firstMs * 2 ** turn, maxMs);
          const wait = backoff.next();
          assert.isAtMost(wait, whole);
          assert.isAtLeast(wait, whole / 2);
        }
      }),
    );
  });
});

describe('a circuit breaker', () => {
  let clock: HandClock;
  let states: BreakerState[];
  let breaker: Breaker;

  beforeEach(() => {
    clock = new HandClock();
    states = [];
    breaker = new Breaker({
      failures: 2,
      halfOpenAfterMs: 1_000,
      now: clock.now,
      onState: state => states.push(state),
    });
  });

  /** What becomes of a call that ends as `outcome`. */
  function call(outcome: CallOutcome): 'called' | 'not_called' {
    const ended = breaker.admit();
    ended?.(outcome);
    return ended === undefined ? 'not_called' : 'called';
  }

  const [S, F, U] = ['succeeded', 'failed', 'unknown'] as const;
  const rows: [string, (CallOutcome | number)[], BreakerState[]][] = [
    ['opens after failures in a row', [F, F], ['open']],
    ['does not open with a success between them', [F, S, F, S, F], []],
    ['takes no notice of what tells nothing', [F, U, U, U], []],
    ['counts on after what tells nothing', [F, U, F], ['open']],
    ['lets nobody through while it is open', [F, F, 999, S], ['open']],
    ['closes with one success after the wait', [F, F, 1_000, S], ['open', 'half_open', 'closed']],
    ['opens again with one failure after the wait', [F, F, 1_000, F], ['open', 'half_open', 'open']],
    ['opens again when the one call tells nothing', [F, F, 1_000, U], ['open', 'half_open', 'open']],
    ['waits the whole time again', [F, F, 1_000, F, 999, S], ['open', 'half_open', 'open']],
    ['forgets earlier failures when it closes', [F, F, 1_000, S, F], ['open', 'half_open', 'closed']],
  ];
  for (const [name, steps, expected] of rows) {
    it(name, () => {
      for (const step of steps) {
        if (typeof step === 'number') clock.advance(step);
        else call(step);
      }
      assert.deepEqual(states, expected);
      assert.equal(breaker.state, expected.at(-1) ?? 'closed');
    });
  }

  it('lets one call through to find out, no second one', () => {
    call(F);
    call(F);
    clock.advance(1_000);
    const ended = breaker.admit();
    assert.equal(breaker.state, 'half_open');
    clock.advance(1_000_000);
    assert.isUndefined(breaker.admit());
    ended?.(S);
    assert.equal(call(S), 'called');
  });

  it('does not count a call twice, nor one that began before it opened', () => {
    const early = breaker.admit();
    const twice = breaker.admit();
    twice?.(F);
    twice?.(F);
    assert.equal(breaker.state, 'closed');
    call(F);
    assert.equal(breaker.state, 'open');
    early?.(S);
    assert.equal(breaker.state, 'open');
    clock.advance(1_000);
    call(S);
    early?.(F);
    call(F);
    assert.equal(breaker.state, 'closed');
  });

  it('never calls while it is open, and always finds out after the wait', () => {
    const steps = fc.array(fc.oneof(fc.constantFrom(S, F, U), fc.nat({ max: 1_500 })), { maxLength: 200 });
    fc.assert(
      fc.property(steps, given => {
        clock = new HandClock();
        states = [];
        breaker = new Breaker({
          failures: 2,
          halfOpenAfterMs: 1_000,
          now: clock.now,
          onState: s => states.push(s),
        });
        let openedAt: number | undefined;
        let failures = 0;
        for (const step of given) {
          if (typeof step === 'number') {
            clock.advance(step);
            continue;
          }
          const mayCall = openedAt === undefined || clock.now() - openedAt >= 1_000;
          assert.equal(call(step), mayCall ? 'called' : 'not_called');
          if (!mayCall) continue;
          if (step === S) [openedAt, failures] = [undefined, 0];
          else if (openedAt !== undefined || (step === F && ++failures >= 2))
            [openedAt, failures] = [clock.now(), 0];
          assert.equal(breaker.state, openedAt === undefined ? 'closed' : 'open');
        }
      }),
    );
  });
});
