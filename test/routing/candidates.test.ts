import { assert } from 'chai';
import type { Pod } from '../../src/domain.ts';
import { PodsHealth } from '../../src/health/pods-health.ts';
import { type Bounds, type Candidates, createCandidates } from '../../src/routing/candidates.ts';
import { aPod } from '../support/builders.ts';
import { HandClock } from '../support/hand-clock.ts';

const a = aPod({ name: 'a', ip: '10.0.0.1', port: 8000, labels: { tenant: 'red' } });
const b = aPod({ name: 'b', ip: '10.0.0.1', port: 8001, labels: { tenant: 'blue' } });
const c = aPod({ name: 'c', ip: 'fd00::3', port: 8000, labels: { tenant: 'blue', big: '' } });
const ALL = [a, b, c];
const FREE: Bounds = { labels: undefined, subset: undefined };

let clock: HandClock;
let health: PodsHealth;
let candidates: Candidates;

beforeEach(() => {
  clock = new HandClock(1);
  health = new PodsHealth({ now: clock.now, onChange: () => {} });
  for (const pod of ALL) health.joined(pod);
  candidates = createCandidates({
    registry: { knows: model => model !== 'nobody', serving: model => (model === 'demo' ? ALL : []) },
    health,
  });
});

function allowed(bounds: Partial<Bounds>): readonly Pod[] {
  const found = candidates.allowed('demo', { ...FREE, ...bounds });
  assert(found.kind === 'allowed', JSON.stringify(found));
  return found.pods;
}

function refused(bounds: Partial<Bounds>, model = 'demo'): unknown {
  const found = candidates.allowed(model, { ...FREE, ...bounds });
  return found.kind === 'rejected' ? found.error : found.pods.map(({ name }) => name);
}

function fail(...pods: Pod[]): void {
  for (const pod of pods) {
    for (let i = 0; i < 2; i++)
      health.sent(pod, 'watched', 'x').answered({ status: 500, servedBy: undefined });
  }
}

function well(pods: readonly Pod[] = ALL, visibility: 'watched' | 'unwatched' = 'unwatched') {
  const { kind, pods: found } = candidates.wellAmong(pods, visibility);
  return [kind, ...found.map(({ name }) => name)];
}

describe('the pods that a request may go to', () => {
  it('are those of its model', () => {
    assert.strictEqual(allowed({}), ALL);
    assert.deepEqual(refused({}, 'nobody'), { kind: 'unknown_model', model: 'nobody' });
    assert.deepEqual(refused({}, 'asleep'), { kind: 'no_ready_pod', model: 'asleep' });
  });

  it('have the labels that it wants', () => {
    assert.deepEqual(allowed({ labels: 'tenant=blue' }), [b, c]);
    assert.deepEqual(allowed({ labels: ' tenant=blue , big ' }), [c]);
    assert.strictEqual(allowed({ labels: ' ' }), ALL);
    assert.deepEqual(refused({ labels: 'tenant=green' }), { kind: 'no_allowed_pod', model: 'demo' });
    assert.deepEqual(refused({ labels: 'tenant in blue' }), {
      kind: 'bad_filter',
      reason: '"tenant in blue" is no requirement on labels',
    });
  });

  it('are in the subset that the gateway hints at, by address, with or without port', () => {
    assert.deepEqual(allowed({ subset: ['10.0.0.1:8001'] }), [b]);
    assert.deepEqual(allowed({ subset: ['10.0.0.1'] }), [a, b]);
    assert.deepEqual(allowed({ subset: [' 10.0.0.1:8000 ', '10.0.0.1:9999', '[fd00::3]:8000'] }), [a, c]);
    assert.deepEqual(allowed({ subset: ['fd00::3'] }), [c]);
    assert.deepEqual(allowed({ subset: ['[fd00::3]'] }), [c]);
    for (const subset of [[], [''], ['10.0.0.2'], ['10.0.0.1:80']]) {
      assert.deepEqual(refused({ subset }), { kind: 'no_allowed_pod', model: 'demo' });
    }
  });

  it('meet all of it', () => {
    assert.deepEqual(allowed({ labels: 'tenant=blue', subset: ['10.0.0.1'] }), [b]);
  });

  it('are the same list for the same request', () => {
    assert.strictEqual(allowed({ labels: 'tenant=blue' }), allowed({ labels: 'tenant=blue' }));
  });

  it('are filtered in bounded memory', () => {
    const first = allowed({ labels: 'tenant!=0' });
    for (let i = 1; i <= 1024; i++) allowed({ labels: `tenant!=${i}` });
    assert.notStrictEqual(allowed({ labels: 'tenant!=0' }), first);
  });
});

describe('filters that are too long to be kept', () => {
  it('allow the same pods', () => {
    const tenants = Array.from({ length: 100 }, (_, i) => `tenant-${i}`);
    assert.deepEqual(allowed({ labels: `tenant in (blue,${tenants.join()})` }), [b, c]);
    const addresses = Array.from({ length: 5_000 }, (_, i) => `10.1.${i >> 8}.${i % 256}`);
    assert.deepEqual(allowed({ subset: [...addresses, '10.0.0.1'] }), [a, b]);
  });
});

describe('the pods to choose from', () => {
  it('are all while all are well, or unknown', () => {
    assert.strictEqual(candidates.wellAmong(ALL, 'unwatched').pods, ALL);
    health.polled(a, { kind: 'poll_ok' });
    assert.deepEqual(well(), ['well', 'a', 'b', 'c']);
  });

  it('are not those that fail or sleep', () => {
    fail(a);
    assert.deepEqual(well(), ['well', 'b', 'c']);
    health.polled(b, { kind: 'asleep' });
    assert.deepEqual(well(), ['well', 'c']);
    assert.strictEqual(candidates.wellAmong(ALL, 'unwatched'), candidates.wellAmong(ALL, 'unwatched'));
    assert.deepEqual(well([a, c]), ['well', 'c']);
  });

  it('are all that are awake when none is well, and all when none is awake', () => {
    fail(a, b);
    health.polled(c, { kind: 'asleep' });
    assert.deepEqual(well(), ['all_failing', 'a', 'b']);
    for (const pod of [a, b]) health.polled(pod, { kind: 'asleep' });
    assert.deepEqual(well(), ['all_failing', 'a', 'b', 'c']);
  });

  it('are one pod that is to be tried, if somebody looks', () => {
    fail(a);
    clock.advance(15_000);
    assert.deepEqual(well(), ['well', 'b', 'c']);
    assert.deepEqual(well(ALL, 'watched'), ['trial', 'a']);
    assert.deepEqual(well([b, c], 'watched'), ['well', 'b', 'c']);
    health.sent(a, 'watched', 'x');
    assert.deepEqual(well(ALL, 'watched'), ['well', 'b', 'c']);
  });
});
