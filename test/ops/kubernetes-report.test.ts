import { assert } from 'chai';
import { reportKubernetes } from '../../src/ops/kubernetes-report.ts';
import type { OnWatchFact, WatchedPath } from '../../src/pods/kubernetes/source.ts';
import { recordingLog } from '../support/builders.ts';
import { HandClock } from '../support/hand-clock.ts';
import { testTelemetry } from '../support/telemetry.ts';

const PODS: WatchedPath = { what: 'pods', namespace: 'llm' };
const POOL: WatchedPath = { what: 'inferencepools', namespace: 'llm' };

describe('the report on the Kubernetes API', () => {
  let telemetry: ReturnType<typeof testTelemetry>;
  let logged: ReturnType<typeof recordingLog>;
  let clock: HandClock;
  let report: OnWatchFact;
  let staleMs: () => number | undefined;

  beforeEach(() => {
    telemetry = testTelemetry();
    logged = recordingLog();
    clock = new HandClock();
    ({ hear: report, staleMs } = reportKubernetes(telemetry.instruments, logged.log, clock.now));
  });

  const levels = () => logged.lines.map(({ level }) => level);

  it('shows how long a source has been silent, from when it began to ask', async () => {
    report(PODS, { kind: 'failed', during: 'list', error: 'unavailable', message: 'nobody', retryInMs: 1 });
    clock.advance(2_000);
    report(POOL, { kind: 'sign_of_life' });
    clock.advance(1_000);
    report(POOL, { kind: 'watching' });
    const text = await telemetry.scrape();
    assert.include(text, 'warmroute_kubernetes_silent_seconds{source="llm/pods"} 3');
    assert.include(text, 'warmroute_kubernetes_silent_seconds{source="llm/inferencepools"} 1');
  });

  it('says for how long it has not been heard as it should, by the source that is silent for longest', () => {
    assert.isUndefined(staleMs(), 'nothing is watched');
    report(PODS, { kind: 'sign_of_life' });
    clock.advance(90_000);
    report(POOL, { kind: 'sign_of_life' });
    assert.equal(staleMs(), 0, 'bookmarks come about once a minute');
    clock.advance(5_000);
    assert.equal(staleMs(), 5_000);
    report(PODS, { kind: 'sign_of_life' });
    assert.equal(staleMs(), 0);
  });

  it('counts what fails, and warns of it once a minute with why', async () => {
    for (let i = 0; i < 3; i++)
      report(PODS, {
        kind: 'failed',
        during: 'watch',
        error: 'forbidden',
        message: 'grant it',
        retryInMs: 7.5,
      });
    const text = await telemetry.scrape();
    assert.include(
      text,
      'warmroute_kubernetes_errors_total{source="llm/pods",during="watch",error="forbidden"} 3',
    );
    assert.deepEqual(levels(), ['warn']);
    assert.deepInclude(logged.lines[0]!.fields, { source: 'llm/pods', why: 'grant it', retryInMs: 8 });
  });

  it('counts what is listed again, by why', async () => {
    report(PODS, { kind: 'relist', reason: 'expired' });
    report(PODS, { kind: 'listed', objects: 3, pages: 1, tookMs: 2.4 });
    assert.include(
      await telemetry.scrape(),
      'warmroute_kubernetes_relists_total{source="llm/pods",reason="expired"} 1',
    );
    assert.deepEqual(levels(), ['info', 'info']);
  });

  it('times lists, and watches from when they stand until they end, however they do', async () => {
    report(PODS, { kind: 'listed', objects: 3, pages: 2, tookMs: 1_500 });
    const ends = [
      { kind: 'watch_ended', why: 'closed' },
      { kind: 'relist', reason: 'expired' },
      { kind: 'failed', during: 'watch', error: 'unavailable', message: 'nobody', retryInMs: 1 },
    ] as const;
    for (const end of ends) {
      report(PODS, { kind: 'watching' });
      report(POOL, { kind: 'watching' });
      clock.advance(40_000);
      report(PODS, end);
      // It does not stand any more.
      report(PODS, end);
    }
    const text = await telemetry.scrape();
    assert.include(text, 'warmroute_kubernetes_list_seconds_sum 1.5');
    assert.include(text, 'warmroute_kubernetes_list_seconds_count 1');
    assert.include(text, 'warmroute_kubernetes_watch_seconds_sum 120');
    assert.include(text, 'warmroute_kubernetes_watch_seconds_count 3');
  });

  it('says once that watches are silent, which is no mistake', async () => {
    report(PODS, { kind: 'watch_ended', why: 'closed' });
    for (let i = 0; i < 3; i++) {
      report(PODS, { kind: 'watch_ended', why: 'silent' });
      clock.advance(90_000);
    }
    assert.deepEqual(levels(), ['info']);
    assert.notInclude(await telemetry.scrape(), 'warmroute_kubernetes_errors_total{');
  });

  it('names a mistake of our own', async () => {
    report(PODS, { kind: 'handler_failed', handler: 'onChange', message: 'broken' });
    assert.include(
      await telemetry.scrape(),
      'warmroute_kubernetes_errors_total{source="llm/pods",error="onChange"} 1',
    );
    assert.deepEqual(levels(), ['error']);
  });
});
