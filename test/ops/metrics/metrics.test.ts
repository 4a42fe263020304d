import { assert } from 'chai';
import type { Declared } from '../../../src/ops/instruments/instrument.ts';
import { createInstruments, METRICS } from '../../../src/ops/instruments/instruments.ts';
import { createMetrics, type Metrics } from '../../../src/ops/metrics/metrics.ts';
import { samplesOf, scrape } from '../../support/telemetry.ts';

/** Every instrument used once, as Prometheus sees them. */
async function everything(): Promise<string> {
  const metrics = createMetrics();
  const { aibrix, ...ours } = createInstruments(metrics);
  const labels = { ...{ pod: 'p', pod_key: 'p', model: 'm', rank: 0 }, ...{ kind: 'k', why: 'w' } };
  for (const instrument of [...Object.values(aibrix), ...Object.values(ours)] as unknown as AnyInstrument[]) {
    instrument.record?.(0.001, labels);
    instrument.add?.(1, labels);
    instrument.onScrape?.(set => set(1));
  }
  return scrape(metrics);
}

interface AnyInstrument {
  record?(value: number, labels: object): void;
  add?(value: number, labels: object): void;
  onScrape?(read: (set: (value: number) => void) => void): void;
}

const metadata = (text: string, what: 'TYPE' | 'HELP') =>
  Array.from(text.matchAll(new RegExp(`^# ${what} (\\S+) (.*)$`, 'gm')), ([, name, value]) => [
    name!,
    value!,
  ]);

describe('the metrics', () => {
  it('are exposed under the names that they were created with: no suffix is added or doubled', async () => {
    const created: string[] = [];
    const noting = new Proxy(createMetrics(), {
      get:
        (target, method: keyof Metrics) =>
        (name: string, ...options: unknown[]) => {
          created.push(name);
          return (target[method] as (name: string, ...options: unknown[]) => unknown)(name, ...options);
        },
    });
    createInstruments(noting);
    assert.sameMembers(
      metadata(await everything(), 'TYPE').map(([name]) => name),
      created,
    );
  });

  it('follow the naming rules of Prometheus', async () => {
    const types = metadata(await everything(), 'TYPE');
    assert.isNotEmpty(types);
    for (const [name, type] of types) {
      assert.match(name!, /^(aibrix|warmroute|process)_[a-z0-9_]+$/);
      assert.equal(name!.endsWith('_total'), type === 'counter', name);
      if (type === 'histogram') assert.match(name!, /_seconds$/);
      assert.notMatch(name!, /(_total|_seconds|_blocks).*\1/, name);
    }
  });

  it('have their unit in their name, where that is one of Prometheus’ base units', () => {
    for (const { name, unit } of Object.values<Declared>(METRICS)) {
      const base = name.replace(/_total$/, '');
      for (const each of ['seconds', 'bytes'])
        assert.equal(new RegExp(`_${each}(_left)?$`).test(base), unit === each, name);
    }
  });

  it('say each what they are', async () => {
    const text = await everything();
    assert.lengthOf(metadata(text, 'HELP'), metadata(text, 'TYPE').length);
    for (const [name, help] of metadata(text, 'HELP')) assert.match(help!, /\w+ \w+/, name);
  });

  it('have a sample each, and no histogram of a pod', async () => {
    const text = await everything();
    for (const [name, type] of metadata(text, 'TYPE')) {
      const samples = samplesOf(type === 'histogram' ? `${name}_count` : name!, text);
      assert.lengthOf(samples, 1, name);
      if (type === 'histogram') assert.notInclude(samples[0], 'pod', name);
    }
  });

  it('have AIBrix’s latency buckets: 15 from 10 µs, doubling', async () => {
    const bounds = Array.from(
      (await everything()).matchAll(/^aibrix_prefix_cache_routing_latency_seconds_bucket\{le="([^"]+)"/gm),
      ([, bound]) => bound,
    );
    assert.lengthOf(bounds, 16);
    assert.deepEqual(
      [bounds[0], bounds[1], bounds[14], bounds[15]],
      ['0.00001', '0.00002', '0.16384', '+Inf'],
    );
  });

  it('of two servers in one process do not mix', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    createInstruments(one).unexpected.add(1);
    createInstruments(other);
    assert.include(await scrape(one), 'warmroute_unexpected_errors_total 1');
    assert.notInclude(await scrape(other), 'warmroute_unexpected_errors_total 1');
  });

  it('are left out by their names, whatever is recorded of them', async () => {
    const metrics = createMetrics(name => !name.startsWith('aibrix_'));
    const { aibrix, unexpected } = createInstruments(metrics);
    aibrix.zmqReceived.add(1, { pod_key: 'a', event_type: 'BlockStored' });
    aibrix.zmqProcessing.record(1);
    unexpected.add(1);
    const text = await scrape(metrics);
    assert.notInclude(text, 'aibrix_');
    assert.include(text, 'warmroute_unexpected_errors_total 1');
  });

  describe('counted', () => {
    let metrics: Metrics;
    beforeEach(() => {
      metrics = createMetrics();
    });

    it('have a series per set of labels, also where joined labels would be equal', async () => {
      const counter = metrics.counter('c_total', 'of tests', ['model', 'reason']);
      counter.add(1, { model: 'a,reason:b', reason: 'c' });
      counter.add(2, { model: 'a', reason: 'b,c' });
      counter.add(3, { model: 'a', reason: undefined });
      counter.add(4, { model: 'a', reason: 'b,c' });
      assert.deepEqual(samplesOf('c_total', await scrape(metrics)), [
        'c_total{model="a,reason:b",reason="c"} 1',
        'c_total{model="a",reason="b,c"} 6',
        'c_total{model="a"} 3',
      ]);
    });

    it('do not mind what an engine’s clock may say', async () => {
      const counter = metrics.counter('c_total', 'of tests');
      const histogram = metrics.histogram('h_seconds', 'of tests', [1]);
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1, Number.NEGATIVE_INFINITY, -1])
        counter.add(value);
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1]) histogram.record(value);
      const text = await scrape(metrics);
      assert.deepEqual(samplesOf('c_total', text), ['c_total 1']);
      assert.deepEqual(samplesOf('h_seconds_count', text), ['h_seconds_count 1']);
    });

    it('keep what the labels were when they were counted', async () => {
      const counter = metrics.counter('c_total', 'of tests', ['pod']);
      const labels = { pod: 'a' };
      counter.add(1, labels);
      labels.pod = 'b';
      assert.deepEqual(samplesOf('c_total', await scrape(metrics)), ['c_total{pod="a"} 1']);
    });

    it('are forgotten by owner: its first label', async () => {
      const counter = metrics.counter('c_total', 'of tests', ['pod', 'why']);
      const single = metrics.counter('s_total', 'of tests', ['pod']);
      const histogram = metrics.histogram('h_seconds', 'of tests', [1], ['pod', 'why']);
      const others = metrics.counter('o_total', 'of tests', ['why']);
      for (const pod of ['a', 'b']) {
        for (const why of ['x', 'y']) counter.add(1, { pod, why });
        for (const why of ['x', 'y']) histogram.record(1, { pod, why });
        single.add(1, { pod });
      }
      others.add(1, { why: 'a' });
      assert.sameMembers([...metrics.owners('pod')], ['a', 'b']);
      metrics.forget('pod', 'a');
      metrics.forget('pod', 'never seen');
      const text = await scrape(metrics);
      assert.notInclude(text, 'pod="a"');
      assert.lengthOf(samplesOf('c_total', text), 2);
      assert.lengthOf(samplesOf('h_seconds_count', text), 2);
      assert.lengthOf(samplesOf('s_total', text), 1);
      assert.lengthOf(samplesOf('o_total', text), 1);
      assert.sameMembers([...metrics.owners('pod')], ['b']);
    });
  });
});
