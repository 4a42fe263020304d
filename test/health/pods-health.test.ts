import { assert } from 'chai';
import { type Endpoint, endpointOf, type Pod } from '../../src/domain.ts';
import { type HealthChange, PodsHealth, type SentRequest } from '../../src/health/pods-health.ts';
import { aPod } from '../support/builders.ts';
import { HandClock } from '../support/hand-clock.ts';

const a = aPod({ name: 'a', port: 1 });
const b = aPod({ name: 'b', port: 2 });
const c = aPod({ name: 'c', port: 3 });
const OK = { status: 200, servedBy: undefined };
const ERROR = { status: 500, servedBy: undefined };

let clock: HandClock;
let changes: HealthChange[];
let failures: string[];
let health: PodsHealth;

beforeEach(() => {
  clock = new HandClock(1);
  changes = [];
  failures = [];
  health = new PodsHealth({
    now: clock.now,
    onChange: change => void changes.push(change),
    onFailure: (pod, why) => void failures.push(`${pod.name} ${why}`),
  });
  for (const pod of [a, b, c]) health.joined(pod);
});

function send(pod: Pod, kind = '/v1/completions'): SentRequest {
  return health.sent(pod, 'watched', kind);
}

function states(): string[] {
  return [a, b, c].map(pod => health.stateOf(pod));
}

describe('what becomes of a request', () => {
  it('makes its pod healthy, or failing, and says so once', () => {
    send(a).answered(OK);
    for (let i = 0; i < 4; i++) send(b).answered(ERROR);
    assert.deepEqual(states(), ['healthy', 'failing', 'unknown']);
    assert.deepEqual(
      changes.map(({ pod, from, to, why }) => [pod.name, from, to, why]),
      [
        ['a', 'unknown', 'healthy', ''],
        ['b', 'unknown', 'failing', 'answered 500'],
      ],
    );
    assert.deepEqual(
      failures,
      Array.from({ length: 4 }, () => 'b error_status'),
    );
  });

  for (const status of [200, 204, 301, 400, 404, 429, 501]) {
    it(`is no fault of the engine with status ${status}`, () => {
      for (let i = 0; i < 4; i++) assert.deepEqual(send(a).answered({ ...OK, status }), { kind: 'served' });
      assert.equal(health.stateOf(a), 'healthy');
    });
  }
  for (const status of [500, 502, 503, 504, 529]) {
    it(`is a failure with status ${status}`, () => {
      assert.deepEqual(send(a).answered({ ...OK, status }), { kind: 'failed' });
      send(a).answered({ ...OK, status });
      assert.equal(health.stateOf(a), 'failing');
    });
  }

  it('is told of the pod that answered, and of the one that another had to answer for', () => {
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(send(a).answered({ status: 200, servedBy: endpointOf(b) }), {
        kind: 'served_by_other',
        other: b,
      });
    }
    assert.deepEqual(states(), ['failing', 'healthy', 'unknown']);
    assert.deepEqual(failures, ['a served_by_other', 'a served_by_other']);
  });

  it('is both pods’ failure if the other one fails, too', () => {
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(send(a).answered({ status: 503, servedBy: endpointOf(b) }), { kind: 'failed' });
    }
    assert.deepEqual(states(), ['failing', 'failing', 'unknown']);
  });

  describe('from an address of no pod that is known', () => {
    const STRANGER = '10.9.9.9:1' as Endpoint;

    it('is the picked pod’s where no pod has answered at its own address: a proxy may stand before them', () => {
      assert.deepEqual(send(a).answered({ status: 200, servedBy: STRANGER }), { kind: 'served' });
      assert.equal(health.stateOf(a), 'healthy');
      assert.deepEqual(health.serverOf(a, STRANGER), { kind: 'pod', pod: a });
    });

    it('is nobody’s otherwise, and says nothing of the picked pod’s health', () => {
      send(b).answered({ status: 200, servedBy: endpointOf(b) });
      for (const status of [200, 200, 500, 500]) {
        assert.deepEqual(send(a).answered({ status, servedBy: STRANGER }), { kind: 'served_by_stranger' });
      }
      assert.equal(health.stateOf(a), 'unknown');
      assert.deepEqual(failures, Array(4).fill('a served_by_stranger'));
      assert.deepEqual(health.serverOf(a, STRANGER), { kind: 'stranger', endpoint: STRANGER });
    });
  });

  it('tells who answered', () => {
    assert.deepEqual(health.serverOf(a, undefined), { kind: 'pod', pod: a });
    assert.deepEqual(health.serverOf(a, endpointOf(b)), { kind: 'pod', pod: b });
  });

  it('counts for the report', () => {
    send(a).answered(OK);
    send(a).answered(ERROR);
    clock.advance(2_000);
    assert.deepEqual(health.reportOf(a), {
      ...{ health: 'healthy', why: '', forMs: 2_000, requestsSeen: 2, requestsFailed: 1 },
    });
    assert.isUndefined(health.reportOf(aPod({ port: 99 })));
  });

  it('is heard of also where nobody asked for it', () => {
    for (let i = 0; i < 2; i++) health.sent(a, 'unwatched', 'x').answered(ERROR);
    assert.equal(health.stateOf(a), 'failing');
  });

  it('says nothing of a pod that has left, or that has come back', () => {
    const request = send(a);
    health.left(a);
    request.answered(ERROR);
    assert.equal(health.stateOf(a), 'unknown');
    assert.deepEqual(health.sent(a, 'watched', 'x').answered(ERROR), { kind: 'served' });
    health.joined(a);
    for (let i = 0; i < 2; i++) request.answered(ERROR);
    assert.equal(health.stateOf(a), 'unknown');
  });

  it('leaves the pod that took the address of one that left', () => {
    const successor = { ...a, name: 'successor' };
    health.joined(successor);
    health.left(a);
    for (let i = 0; i < 2; i++) send(successor).answered(ERROR);
    assert.equal(health.stateOf(successor), 'failing');
  });
});

describe('a request that is never answered', () => {
  it('is the pod’s fault if others answered meanwhile and it did not', () => {
    for (let i = 0; i < 2; i++) {
      const lost = send(a);
      clock.advance(1_000);
      send(b).answered(OK);
      assert.equal(lost.ended(), 'lost');
      assert.equal(lost.ended(), 'over');
    }
    assert.deepEqual(states(), ['failing', 'healthy', 'unknown']);
    assert.deepEqual(failures, ['a no_answer', 'a no_answer']);
  });

  it('is enough the first time if others wait there, too', () => {
    const waiting = [send(a), send(a), send(a)];
    clock.advance(5_000);
    send(b).answered(OK);
    assert.equal(waiting[0]!.ended(), 'lost');
    assert.equal(health.stateOf(a), 'failing');
    assert.equal(changes.at(-1)?.why, 'no answer to any request for 5 s');
    // It was only slow.
    waiting[1]!.answered(OK);
    assert.equal(health.stateOf(a), 'healthy');
  });

  it('says nothing if the client went at once', () => {
    for (let i = 0; i < 5; i++) {
      const gone = send(a);
      clock.advance(999);
      send(b).answered(OK);
      assert.equal(gone.ended(), 'over');
    }
    assert.equal(health.stateOf(a), 'unknown');
  });

  it('says nothing if the pod answered others', () => {
    for (let i = 0; i < 5; i++) {
      const gone = send(a);
      clock.advance(5_000);
      send(a).answered(OK);
      assert.equal(gone.ended(), 'over');
    }
    assert.equal(health.stateOf(a), 'healthy');
  });

  it('says nothing if requests that nobody watched may have been answered', () => {
    for (let i = 0; i < 5; i++) {
      const gone = send(a);
      const unwatched = health.sent(a, 'unwatched', 'x');
      clock.advance(5_000);
      send(b).answered(OK);
      unwatched.ended();
      assert.equal(gone.ended(), 'over');
    }
    assert.equal(health.stateOf(a), 'unknown');
  });

  it('says nothing where no answer is ever seen: the gateway does not show them', () => {
    for (let i = 0; i < 5; i++) {
      const gone = send(a);
      clock.advance(5_000);
      assert.equal(gone.ended(), 'over');
    }
    assert.equal(health.stateOf(a), 'unknown');
  });

  it('is seen before the client gives up, if several wait far longer than others', () => {
    const waiting = [send(a), send(a), send(a)];
    for (let i = 0; i < 24; i++) {
      const request = send(b);
      clock.advance(200);
      request.answered(OK);
    }
    assert.equal(health.stateOf(a), 'failing');
    for (const each of waiting) each.ended();
  });

  it('is not seen so among requests that usually take long', () => {
    for (let i = 0; i < 8; i++) {
      const request = send(b, 'long');
      clock.advance(1_000);
      request.answered(OK);
    }
    const waiting = [send(a, 'long'), send(a, 'long'), send(a, 'long')];
    for (let i = 0; i < 24; i++) {
      const request = send(b, 'short');
      clock.advance(300);
      request.answered(OK);
    }
    assert.equal(health.stateOf(a), 'unknown');
    for (const each of waiting) each.ended();
  });
});

describe('what is watched', () => {
  const watched = (requests: number) =>
    Array.from({ length: requests }, () => health.watchNext()).filter(each => each === 'watched').length;

  it('is every request while pods are new, and then one of eight', () => {
    assert.equal(watched(48), 48);
    assert.equal(watched(800), 100);
  });

  it('is every request while a pod is under suspicion', () => {
    watched(48);
    send(a).answered(ERROR);
    assert.equal(watched(200), 200);
    clock.advance(60_000);
    assert.equal(watched(800), 100);
  });

  it('are the next ones after one that nobody watched was over far too soon', () => {
    watched(48);
    for (let i = 0; i < 8; i++) {
      const request = send(a);
      clock.advance(300);
      request.answered(OK);
    }
    const unwatched = health.sent(a, 'unwatched', '/v1/completions');
    clock.advance(300);
    unwatched.ended();
    assert.equal(watched(16), 2);
    health.sent(a, 'unwatched', '/v1/completions').ended();
    assert.equal(watched(16), 16);
  });

  it('is a request that can be a trial', () => {
    watched(48);
    for (let i = 0; i < 2; i++) send(a).answered(ERROR);
    assert.isUndefined(health.trialAmong([a, b, c]));
    watched(200);
    clock.advance(15_000);
    assert.equal(watched(20), 20);
    assert.equal(health.trialAmong([a, b, c]), a);
    assert.isUndefined(health.trialAmong([b, c]));
    const trial = send(a);
    assert.isUndefined(health.trialAmong([a, b, c]));
    trial.answered(OK);
    assert.equal(health.trialAmong([a, b, c]), a);
  });

  it('gives a trial back that ends without a word', () => {
    for (let i = 0; i < 2; i++) send(a).answered(ERROR);
    clock.advance(15_000);
    send(a).ended();
    assert.equal(health.trialAmong([a]), a);
  });
});

describe('polls', () => {
  it('count as soon as one pod has answered one', () => {
    health.polled(a, { kind: 'poll_refused', what: 'closed' });
    assert.deepEqual(states(), ['unknown', 'unknown', 'unknown']);
    health.polled(b, { kind: 'poll_ok' });
    health.polled(a, { kind: 'poll_refused', what: 'closed' });
    assert.deepEqual(states(), ['failing', 'healthy', 'unknown']);
  });

  it('of pods that are gone say nothing', () => {
    health.left(a);
    health.polled(a, { kind: 'poll_ok' });
    assert.equal(health.stateOf(a), 'unknown');
  });

  it('make lists of candidates anew only when a state has changed', () => {
    const { version } = health;
    health.polled(a, { kind: 'poll_ok' });
    assert.notEqual(health.version, version);
    const next = health.version;
    health.polled(a, { kind: 'poll_ok' });
    assert.equal(health.version, next);
  });
});
