/**
 * What the console costs the server: CPU time per ext_proc stream (`extproc-4k`) while nobody watches, one does, and eight do, in turns;
 * and of one sample, which is taken every five seconds whoever watches. Prints a table.
 *
 *   npm run bench:console
 */
import { Samples } from '../src/ops/console/samples.ts';
import { DECISION_METRICS } from '../src/ops/instruments/decisions.ts';
import { Distribution } from '../src/ops/metrics/read-metrics.ts';
import { type EventReader, readEvents } from '../test/support/event-source.ts';
import { cpuPerStream } from './read-path/extproc-load.ts';
import { bodyOf, WARM_POD } from './read-path/extproc-request.ts';
import { machineLine } from './support/machine.ts';
import { type Row, ratioTo } from './support/measure.ts';
import { ForkedServer, freePort } from './support/servers.ts';
import { median, percentile } from './support/stats.ts';
import { tableOf } from './support/table.ts';

const VIEWERS = [0, 1, 8];
const ROUNDS = { warmUp: 3, measured: 9 };
const STREAMS = 3_000;
const SAMPLES = { warmUp: 500, measured: 2_000 };
const WORKLOAD =
  'streams of headers and a body of 4,000 bytes over loopback, as fast as they go; server CPU per stream, median of 9 rounds';

console.log(`${machineLine()}\n${WORKLOAD}\n`);
console.log(tableOf([...(await watched()), sampled(3), sampled(1_000)]));

async function watched(): Promise<Row[]> {
  const bodies = Array<Buffer>(STREAMS).fill(bodyOf(4_000));
  const load = { path: '/v1/completions', bodies, pods: [WARM_POD] };
  const address = `127.0.0.1:${await freePort()}`;
  const server = await ForkedServer.start(new URL('./read-path/warmroute-server.ts', import.meta.url), [
    address,
  ]);
  const rounds = new Map<number, number[]>(VIEWERS.map(viewers => [viewers, []]));
  for (let round = -ROUNDS.warmUp; round < ROUNDS.measured; round++) {
    for (const viewers of VIEWERS) {
      const readers = await Promise.all(Array.from({ length: viewers }, () => viewer(address)));
      const spent = await cpuPerStream(server, load);
      for (const reader of readers) reader.close();
      await Promise.all(readers.map(reader => reader.ended));
      if (round >= 0) rounds.get(viewers)!.push(spent);
    }
  }
  await server.stop();
  const alone = median(rounds.get(0)!);
  return VIEWERS.map(viewers => {
    const value = median(rounds.get(viewers)!);
    return {
      ...{ name: `${viewers} watch`, value, unit: 'µs CPU', reach: undefined, workload: WORKLOAD },
      ratio: viewers === 0 ? undefined : ratioTo('nobody', value, alone),
    };
  });
}

async function viewer(address: string): Promise<EventReader> {
  const reader = await readEvents(`http://${address}/console/events`);
  await reader.next('now');
  return reader;
}

function sampled(pods: number): Row {
  const { buckets } = DECISION_METRICS.decisionSeconds;
  const distribution = new Distribution<string>({}, buckets);
  const inFlight = Array.from({ length: pods }, (_, i) => [`pod-${i}`, i] as const);
  let counted = 0;
  const samples = new Samples({
    read: () => ({
      ...{ decisions: ++counted, promptBlocks: counted, matchedBlocks: counted, inFlight },
      ...{ decisionSeconds: [distribution], firstByteSeconds: [distribution] },
    }),
    ...{ now: () => 5_000 * counted, everySeconds: 5, length: 360 },
  });
  const times = new Float64Array(SAMPLES.measured);
  for (let i = -SAMPLES.warmUp; i < SAMPLES.measured; i++) {
    distribution.record(1e-4);
    const started = performance.now();
    samples.take();
    if (i >= 0) times[i] = 1_000 * (performance.now() - started);
  }
  const workload = 'what the plots show of the past, in this process';
  const value = percentile(times, 0.5);
  return {
    name: `a sample, ${pods.toLocaleString('en')} pods`,
    value,
    unit: 'µs p50',
    reach: undefined,
    ratio: undefined,
    workload,
  };
}
