import { assert } from 'chai';
import type { PollFact } from '../../src/health/pods-health.ts';
import { reportHealth, reportPort } from '../../src/ops/health-report.ts';
import { aPod, recordingLog } from '../support/builders.ts';
import { testTelemetry } from '../support/telemetry.ts';

const pod = aPod();
const SILENT: PollFact = { kind: 'poll_unanswered', what: 'GET http://127.0.0.1:8000/health: no answer' };

describe('the report on health', () => {
  it('warns of a pod that fails, with why, and tells of all other changes', () => {
    const { log, lines } = recordingLog();
    const { changed } = reportHealth(testTelemetry().instruments, log);
    changed({ pod, from: 'healthy', to: 'failing', why: 'answered 500' });
    changed({ pod, from: 'failing', to: 'healthy', why: '' });
    const fields = { pod: 'engine-0', ip: '127.0.0.1', port: 8000 };
    assert.deepEqual(
      lines.map(({ level, fields }) => ({ level, fields })),
      [
        { level: 'warn', fields: { ...fields, from: 'healthy', to: 'failing', why: 'answered 500' } },
        { level: 'info', fields: { ...fields, from: 'failing', to: 'healthy' } },
      ],
    );
  });

  it('names a pod once that does not answer polls and does not count as failing for it', () => {
    const { log, lines } = recordingLog();
    const { polled, left } = reportHealth(testTelemetry().instruments, log);
    for (let i = 0; i < 4; i++) polled(pod, SILENT, 'unknown', 2_000);
    assert.deepEqual(
      lines.map(({ level, fields, message }) => [level, fields.pod, fields.why, message]),
      [['warn', 'engine-0', SILENT.what, 'pod does not answer']],
    );
    polled(pod, { kind: 'poll_ok' }, 'healthy', 1);
    for (let i = 0; i < 2; i++) polled(pod, SILENT, 'failing', 2_000);
    assert.lengthOf(lines, 1, 'that it fails is told elsewhere');
    left(pod);
    polled(pod, SILENT, 'unknown', 2_000);
    assert.lengthOf(lines, 1);
  });

  it('counts and times polls, and not the questions whether an engine sleeps', async () => {
    const telemetry = testTelemetry();
    const { polled } = reportHealth(telemetry.instruments, recordingLog().log);
    polled(pod, { kind: 'poll_ok' }, 'healthy', 500);
    polled(pod, SILENT, 'unknown', 2_000);
    polled(pod, { kind: 'asleep' }, 'sleeping', 1_000);
    const text = await telemetry.scrape();
    for (const sample of [
      'warmroute_health_polls_total{outcome="poll_ok"} 1',
      `warmroute_health_polls_total{outcome="${SILENT.kind}"} 1`,
      'warmroute_health_poll_seconds_count 2',
      'warmroute_health_poll_seconds_sum 2.5',
    ])
      assert.include(text.split('\n'), sample);
  });

  it('counts what a pod failed, by why', async () => {
    const telemetry = testTelemetry();
    const { failed } = reportHealth(telemetry.instruments, recordingLog().log);
    for (const why of ['error_status', 'error_status', 'no_answer'] as const) failed(pod, why);
    const text = await telemetry.scrape();
    assert.include(text, 'warmroute_pod_failures_total{pod="engine-0",why="error_status"} 2');
    assert.include(text, 'warmroute_pod_failures_total{pod="engine-0",why="no_answer"} 1');
  });

  it('names ports with what was tried, and says when they answer', () => {
    const { log, lines } = recordingLog();
    const report = reportPort(log);
    const port = { what: 'replay', rank: 1, tried: 'tcp://127.0.0.1:5558' } as const;
    report(pod, { ...port, answers: false, why: 'nothing listens there' });
    report(pod, { ...port, answers: true, why: '' });
    const fields = { pod: 'engine-0', rank: 1, port: 'replay', tried: port.tried };
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields]),
      [
        ['warn', { ...fields, why: 'nothing listens there' }],
        ['info', fields],
      ],
    );
  });
});
