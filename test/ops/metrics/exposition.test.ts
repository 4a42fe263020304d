import { assert } from 'chai';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { createExposition } from '../../../src/ops/metrics/exposition.ts';

describe('the text for Prometheus', () => {
  let registry: Registry;
  let written: number;
  let parts: () => Promise<readonly Buffer[]>;
  const text = async () => Buffer.concat(await parts()).toString();

  beforeEach(() => {
    registry = new Registry();
    written = 0;
    parts = createExposition(registry, () => {
      written++;
    });
  });

  const gauge = (name: string, labelNames: string[] = []) =>
    new Gauge({ name, help: 'of tests', labelNames, registers: [registry] });

  it('is what prom-client writes', async () => {
    const registers = [registry];
    gauge('empty', ['a']);
    const values = gauge('values', ['a', 'b']);
    const odd = ['', 'plain', 'a "quoted" one', 'back\\slash', 'two\nlines', '\\n', 'ключ'];
    for (const [i, a] of odd.entries()) values.set({ a, b: i }, i / 3);
    for (const value of [Infinity, -Infinity, 1e21, 1e-7, -0.5]) values.set({ a: String(value) }, value);
    const counter = new Counter({ name: 'c_total', help: 'back\\slash, two\nlines', registers });
    counter.inc(2);
    const histogram = new Histogram({ name: 'h', help: 'h', labelNames: ['a'], buckets: [1, 2], registers });
    histogram.observe({ a: 'x' }, 1.5);
    const withoutBlankLines = (await registry.metrics()).replaceAll('\n\n', '\n');
    assert.equal(await text(), withoutBlankLines);
  });

  it('of one long metric is whole', async () => {
    const values = gauge('values', ['i']);
    for (let i = 0; i < 1_501; i++) values.set({ i }, i);
    const lines = (await text()).trimEnd().split('\n');
    assert.deepEqual(
      lines.slice(2),
      Array.from({ length: 1_501 }, (_, i) => `values{i="${i}"} ${i}`),
    );
  });

  it('is written with turns of the event loop between metrics, and within a long one', async () => {
    let turns = 0;
    let counting = true;
    const count = () => {
      turns++;
      if (counting) setImmediate(count);
    };
    const values = gauge('values', ['i']);
    for (let i = 0; i < 2_000; i++) values.set({ i }, i);
    for (let i = 0; i < 10; i++) gauge(`other_${i}`);
    setImmediate(count);
    await text();
    counting = false;
    assert.isAtLeast(turns, 13);
  });

  it('is written once for all who ask while it is written, and begun after they asked', async () => {
    const now = gauge('now');
    now.set(1);
    const first = parts();
    now.set(2);
    const rest = Array.from({ length: 50 }, () => parts());
    const texts = await Promise.all(rest);
    assert.equal(new Set(texts).size, 1);
    assert.notEqual(texts[0], await first);
    assert.include(Buffer.concat(texts[0]!).toString(), 'now 2\n');
    assert.equal(written, 2);
    await text();
    assert.equal(written, 3);
  });

  it('of a metric that fails is an error for those who asked, and not for ever', async () => {
    let fails = true;
    new Gauge({
      ...{ name: 'failing', help: 'of tests', registers: [registry] },
      collect() {
        if (fails) throw new RangeError('not now');
      },
    });
    const outcomes = await Promise.allSettled([text(), text()]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    fails = false;
    assert.include(await text(), 'failing 0\n');
  });
});
