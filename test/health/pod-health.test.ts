import { assert } from 'chai';
import fc from 'fast-check';
import type { HealthFact } from '../../src/health/health-fact.ts';
import { PodHealth } from '../../src/health/pod-health.ts';

/** What is told, in a few letters. Requests were sent at the moment before they are told of, unless a number says when. */
const FACTS: Readonly<Record<string, (nowMs: number) => HealthFact>> = {
  ok: () => ({ kind: 'poll_ok' }),
  bad: () => ({ kind: 'poll_failed', what: 'GET /health answered 503' }),
  closed: () => ({ kind: 'poll_refused', what: 'nothing listens' }),
  late: () => ({ kind: 'poll_unanswered', what: 'no answer' }),
  void: () => ({ kind: 'poll_void' }),
  asleep: () => ({ kind: 'asleep' }),
  awake: () => ({ kind: 'awake' }),
  '200': now => ({ kind: 'answered', sentAtMs: now }),
  '500': now => ({ kind: 'failed', sentAtMs: now, what: 'answered 500' }),
  'old 200': () => ({ kind: 'answered', sentAtMs: -1 }),
  'old 500': () => ({ kind: 'failed', sentAtMs: -1, what: 'answered 500' }),
  lost: now => ({ kind: 'unanswered', sentAtMs: now, waitedMs: 5_000, silent: 1 }),
  'all lost': now => ({ kind: 'unanswered', sentAtMs: now, waitedMs: 5_000, silent: 3 }),
};

/** `+1000` lets a second pass. */
function having(...steps: string[]): PodHealth & { readonly nowMs: number } {
  const health = new PodHealth();
  let nowMs = 0;
  for (const step of steps) {
    if (step.startsWith('+')) nowMs += Number(step);
    else health.apply(FACTS[step]!(nowMs), nowMs);
  }
  return Object.assign(health, { nowMs });
}

describe('the health of a pod', () => {
  const states: readonly (readonly [state: string, ...steps: string[]])[] = [
    ['unknown'],
    ['unknown', 'void'],
    ['unknown', 'ok', 'void'],
    ['healthy', 'ok'],
    ['healthy', '200'],
    // The poll.
    ['failing', 'bad'],
    ['failing', 'ok', 'closed'],
    ['healthy', 'ok', 'late'],
    ['failing', 'ok', 'late', 'late'],
    ['healthy', 'ok', 'late', 'ok', 'late'],
    ['unknown', 'bad', 'void'],
    ['failing', '200', 'bad'],
    // Its polls are well again: a trial says whether it is.
    ['failing', 'bad', 'ok', 'ok'],
    ['healthy', 'bad', 'ok', 'ok', '200', '200'],
    ['failing', 'bad', 'ok', 'bad', 'ok', '200', '200', '200'],
    // Each relapse needs twice as many good polls.
    ['failing', 'bad', 'ok', 'ok', '200', '200', 'bad', 'ok', 'ok', 'ok', '200', '200'],
    ['healthy', 'bad', 'ok', 'ok', '200', '200', 'bad', 'ok', 'ok', 'ok', 'ok', '200', '200'],
    // Responses.
    ['unknown', '500'],
    ['failing', '500', '500'],
    ['failing', '500', '200', '500'],
    ['failing', '500', '200', '200', '500', '200', '200', '500'],
    ['healthy', '200', '500', '200', '200', '200', '200', '500', '200', '200', '200', '200', '500'],
    ['failing', '500', '+9000', '500'],
    ['unknown', '500', '+12000', '500'],
    ['failing', 'ok', '500', '500'],
    ['failing', '500', '500', '+1000', 'ok', 'ok', 'ok'],
    // What was sent before it failed does not bring it back, and three requests in a row do.
    ['failing', '500', '500', '+1', 'old 200', 'old 200', 'old 200'],
    ['failing', '500', '500', '+1', '200', '200'],
    ['healthy', '500', '500', '+1', '200', '200', '200'],
    ['failing', '500', '500', '+1', '200', '500', '200', '200', '500', '200'],
    // Silence.
    ['unknown', 'lost'],
    ['failing', 'lost', 'lost'],
    ['healthy', 'lost', '200', 'lost', '200'],
    ['failing', 'all lost'],
    ['healthy', 'all lost', 'old 200'],
    // Sleep.
    ['sleeping', 'ok', 'asleep'],
    ['sleeping', '500', '500', 'asleep'],
    ['sleeping', 'asleep', 'bad'],
    ['healthy', 'ok', 'asleep', 'awake'],
    ['failing', '500', '500', 'asleep', 'awake'],
  ];
  for (const [state, ...steps] of states) {
    it(`is ${state} after ${steps.join(', ') || 'nothing'}`, () => {
      assert.equal(having(...steps).state, state);
    });
  }

  it('says why', () => {
    assert.equal(having('ok').why, '');
    assert.equal(having('ok', 'bad').why, 'GET /health answered 503');
    assert.equal(having('500', '500').why, 'answered 500');
    assert.equal(having('all lost').why, 'no answer to any request for 5 s');
    assert.equal(having('bad', 'ok', 'ok').why, 'comes back: GET /health answered 503');
    assert.equal(having('500', '500', 'asleep').why, 'the engine sleeps');
  });

  it('is as the poll says where responses are never seen', () => {
    const health = new PodHealth();
    for (const kind of ['bad', 'ok', 'ok']) health.apply(FACTS[kind]!(0), 0, 'unseen');
    assert.equal(health.state, 'healthy');
  });
});

describe('a trial of a failing pod', () => {
  const due: readonly (readonly [isDue: boolean, ...steps: string[]])[] = [
    [false],
    [false, '500'],
    [false, '500', '500'],
    [false, '500', '500', '+14999'],
    [true, '500', '500', '+15000'],
    [false, '500', '500', '+15000', '500', '+29999'],
    [true, '500', '500', '+15000', '500', '+30000'],
    [true, '500', '500', '+15000', '200'],
    // What fails while nobody is tried makes no one wait longer: so it is when all pods fail.
    [true, '500', '500', '+1', '500', '500', '500', '+14999'],
    [false, '500', '500', '+15000', 'bad'],
    [false, '500', '500', '+15000', 'asleep'],
    [true, 'bad', 'ok', 'ok'],
    // Who comes back and fails again waits twice as long, unless that is long ago.
    [false, '500', '500', '+15000', '200', '200', '200', '500', '500', '+29999'],
    [true, '500', '500', '+15000', '200', '200', '200', '500', '500', '+30000'],
    [true, '500', '500', '+15000', '200', '200', '200', '+60001', '500', '500', '+15000'],
  ];
  for (const [isDue, ...steps] of due) {
    it(`is ${isDue ? '' : 'not '}due after ${steps.join(', ') || 'nothing'}`, () => {
      const health = having(...steps);
      assert.equal(health.isTrialDue(health.nowMs), isDue);
    });
  }

  it('is one request, and one more for each that went well', () => {
    const health = having('500', '500', '+15000');
    health.trialBegan();
    assert.isFalse(health.isTrialDue(health.nowMs));
    health.apply(FACTS['200']!(health.nowMs), health.nowMs);
    assert.isTrue(health.isTrialDue(health.nowMs));
    health.trialBegan();
    assert.isFalse(health.isTrialDue(health.nowMs));
    health.trialEnded();
    assert.isTrue(health.isTrialDue(health.nowMs));
  });

  it('is never more than two minutes away', () => {
    const health = having('500', '500', ...Array.from({ length: 20 }, () => ['+120000', '500']).flat());
    assert.isFalse(health.isTrialDue(health.nowMs + 119_999));
    assert.isTrue(health.isTrialDue(health.nowMs + 120_000));
  });
});

describe('a suspicion', () => {
  const suspicions: readonly (readonly [isSuspect: boolean, ...steps: string[]])[] = [
    [false],
    [false, 'ok', '200'],
    [true, '500'],
    [true, 'late'],
    [true, 'lost'],
    [false, 'lost', '200'],
    [false, '500', '200', '200', '200'],
    [false, '500', '+20000'],
    // It is known to fail, and gets no requests.
    [false, '500', '500'],
  ];
  for (const [isSuspect, ...steps] of suspicions) {
    it(`${isSuspect ? 'is there' : 'is not there'} after ${steps.join(', ') || 'nothing'}`, () => {
      const health = having(...steps);
      assert.equal(health.isSuspect(health.nowMs), isSuspect);
    });
  }
});

describe('the health of a pod, whatever happens', () => {
  const step = fc.oneof(
    fc.constantFrom(...Object.keys(FACTS)),
    fc.integer({ min: 1, max: 200_000 }).map(ms => `+${ms}`),
  );
  const steps = fc.array(step, { maxLength: 60 });
  const without = (...kinds: string[]) => steps.map(all => all.filter(each => !kinds.includes(each)));

  it('is failing only if something failed', () => {
    const well = without('bad', 'closed', 'late', '500', 'old 500', 'lost', 'all lost');
    fc.assert(fc.property(well, all => assert.notEqual(having(...all).state, 'failing')));
  });

  it('is healthy after good polls and good requests', () => {
    const recovery = [...Array.from({ length: 40 }, () => 'ok'), 'awake', '+1', '200', '200', '200'];
    fc.assert(fc.property(steps, all => assert.equal(having(...all, ...recovery).state, 'healthy')));
  });

  it('is tried within two minutes and a few good polls, if it fails', () => {
    fc.assert(
      fc.property(steps, all => {
        const health = having(...all, ...Array.from({ length: 40 }, () => 'ok'), 'awake', '+120000');
        assert.equal(health.isTrialDue(health.nowMs), health.state === 'failing');
      }),
    );
  });
});
