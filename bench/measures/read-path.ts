import { atMost, type Measure, type Row, ratioTo, timesAtMost } from '../support/measure.ts';
import { runOwn } from '../support/programs.ts';

interface Times {
  readonly p50: number;
  readonly p99: number;
}

export const hash: Measure = {
  name: 'hash',
  async run() {
    const { p50, sha256 } = await runOwn<Times & { readonly sha256: Times }>('read-path/hash.ts');
    return [
      {
        ...{ name: 'hash', value: p50, unit: 'µs p50', reach: atMost(400) },
        ratio: ratioTo('chained SHA-256', p50, sha256.p50),
        workload: '100,000 tokens into chained blocks of 16',
      },
    ];
  },
};

export const decide: Measure = {
  name: 'decide',
  async run() {
    const own = await runOwn<Times>('read-path/decide.ts');
    const few = ['--rounds', '200', '--warm-ups', '50', '--index', 'map-of-sets'];
    const baseline = await runOwn<Times>('read-path/decide.ts', few);
    const workload =
      'from known tokens to a pod: prompts of 4000 tokens, 1000 pods that hold a beginning each';
    const row = (what: keyof Times, most: number): Row => ({
      ...{ name: `decide ${what}`, value: own[what], unit: 'µs', reach: atMost(most), workload },
      ratio: ratioTo('map-of-sets', own[what], baseline[what]),
    });
    return [row('p50', 60), row('p99', 200)];
  },
};

/** What recording adds to a request: before its answer, and after. */
export const record: Measure = {
  name: 'record',
  async run() {
    const { request, line } = await runOwn<{ request: number; line: number }>('read-path/record.ts');
    const workload = 'a request of 4,000 tokens, recorded in blocks of 512';
    return [
      { name: 'record request', value: request, unit: 'µs', reach: atMost(3), ratio: undefined, workload },
      { name: 'record line', value: line, unit: 'µs', reach: atMost(15), ratio: undefined, workload },
    ];
  },
};

interface ExtProc {
  readonly microsecondsPerStream: {
    readonly warmroute: number;
    readonly bare: number;
    readonly peer?: number;
  };
}

export const extprocs: readonly Measure[] = [
  { name: 'extproc-4k', body: 4_000, streams: 4_000 },
  { name: 'extproc-220k', body: 220_000, streams: 600 },
].map(({ name, body, streams }) => ({
  name,
  async run({ peers }) {
    const peer = peers.extproc === undefined ? [] : ['--peer', peers.extproc];
    const args = ['--body', String(body), '--streams', String(streams), '--rounds', '7', ...peer];
    const { microsecondsPerStream: spent } = await runOwn<ExtProc>('read-path/extproc.ts', args);
    const workload = `streams of headers and a body of ${body} bytes over loopback, server CPU per stream, median of 7 rounds`;
    const value = spent.warmroute;
    const row = (reach: Row['reach'], to: string, baseline: number): Row => ({
      ...{ name, value, unit: 'µs CPU', reach, workload },
      ratio: ratioTo(to, value, baseline),
    });
    const rows = [row(timesAtMost(1.4), 'bare grpc-js', spent.bare)];
    if (spent.peer !== undefined) rows.push(row(undefined, 'Go floor', spent.peer));
    return rows;
  },
}));
