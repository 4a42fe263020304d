import { assert } from 'chai';
import { createInstruments } from '../../src/ops/instruments/instruments.ts';
import { createMetrics } from '../../src/ops/metrics/metrics.ts';
import { reportProcess, watchEventLoop } from '../../src/ops/process-report.ts';
import { eventually } from '../support/eventually.ts';
import { samplesOf, scrape } from '../support/telemetry.ts';

describe('the report on the process', () => {
  it('says what the process takes and what it may take', async () => {
    const metrics = createMetrics();
    const stop = reportProcess(createInstruments(metrics));
    const text = await scrape(metrics);
    stop();
    const sampleOf = (name: string) => Number(samplesOf(name, text)[0]?.split(' ')[1]);
    for (const name of ['process_cpu_seconds_total', 'warmroute_event_loop_busy_seconds_total'])
      assert.isAbove(sampleOf(name), 0, name);
    for (const [used, limit] of [
      ['process_resident_memory_bytes', 'warmroute_memory_limit_bytes'],
      ['warmroute_heap_bytes', 'warmroute_heap_limit_bytes'],
    ] as const) {
      assert.isAbove(sampleOf(used), 1 << 20, used);
      assert.isAbove(sampleOf(limit), sampleOf(used), limit);
    }
    const startedAt = sampleOf('process_start_time_seconds');
    assert.closeTo(startedAt, Date.now() / 1_000 - process.uptime(), 5);
  });

  it('says how late timers are, and nothing after its end', async () => {
    const late: number[] = [];
    let now = 0;
    // Read at the start and at each look, which come 57 ms after each other instead of 50.
    const clock = () => {
      now += 57;
      return now;
    };
    const stop = watchEventLoop(ms => late.push(ms), clock);
    await eventually('it has looked twice', () => late.length >= 2);
    stop();
    assert.deepEqual(late.slice(0, 2), [7, 7]);
  });

  it('calls no timer late that came early', async () => {
    const late: number[] = [];
    const stop = watchEventLoop(
      ms => late.push(ms),
      () => 0,
    );
    await eventually('it has looked', () => late.length > 0);
    stop();
    assert.equal(late[0], 0);
  });
});
