/** `kvEvents: auto`: engines are followed where they say themselves that they publish. */
import { assert } from 'chai';
import type { KvEventSource } from '../../src/domain.ts';
import { startEngine } from '../../src/simulator/engine.ts';
import { EnginesBench, store } from '../support/engines-bench.ts';
import { modelsPage, recordedPages, source, sourcesPage, versionPage } from '../support/fake-engine.ts';
import { FakePublisher } from '../support/fake-publisher.ts';
import { FakeReplay, SHAPES } from '../support/fake-replay.ts';
import { type FakeAnswer, json } from '../support/fake-tokenizer.ts';

const AUTO: KvEventSource = { kind: 'auto' };
const PAGES = { '/version': versionPage('0.32.0'), '/v1/models': modelsPage(['demo'], ['sql']) };

describe('engines that say themselves where they publish', () => {
  let bench: EnginesBench;

  beforeEach(() => {
    bench = new EnginesBench();
  });
  afterEach(() => bench.stop());

  const followed = () => bench.engines.snapshot().map(({ rank, endpoint }) => [rank, endpoint]);
  const at = (port: number) => `tcp://127.0.0.1:${port}`;

  it('are followed there, as soon as they have said it', async () => {
    const publisher = await bench.publisher();
    const answer = Promise.withResolvers<FakeAnswer>();
    const engine = await bench.engine({ ...PAGES, '/kv_event_sources': answer.promise });
    bench.join('a', engine, AUTO);
    await engine.asked.next();
    assert.isEmpty(followed());
    answer.resolve(sourcesPage([publisher.port]) as FakeAnswer);
    await publisher.joined();
    await publisher.publish(store(1));
    assert.deepEqual(await bench.batch(), [0, 0]);
    assert.equal(bench.depth([1]), 1);
    assert.deepEqual(followed(), [[0, at(publisher.port)]]);
  });

  it('are followed on the port of each rank, wherever that is', async () => {
    const publishers = [await bench.publisher(), await bench.publisher()];
    const engine = await bench.engine({
      ...PAGES,
      '/kv_event_sources': json(200, {
        4: source(`tcp://*:${publishers[1]!.port}`),
        1: source(`tcp://[::]:${publishers[0]!.port}`),
      }),
    });
    bench.join('a', engine, AUTO);
    for (const [i, rank] of [1, 4].entries()) {
      await publishers[i]!.joined();
      await publishers[i]!.publish(store(1));
      assert.deepEqual(await bench.batch(), [rank, 0]);
      assert.equal(bench.depth([1], 'a', rank), 1);
    }
  });

  it('are asked there for what was missed', async () => {
    const [publisher, replay] = [await bench.publisher(), await FakeReplay.bind()];
    bench.atEnd(() => replay.close());
    const sources = sourcesPage([publisher.port, replay.port]);
    const engine = await bench.engine({ ...PAGES, '/kv_event_sources': sources });
    bench.join('a', engine, AUTO);
    assert.deepEqual((await bench.said()).limits, []);
    const { from, send } = await replay.asked();
    assert.equal(from, 0);
    await send(SHAPES['vLLM 0.32'].batch(0, store(7)));
    await send(SHAPES['vLLM 0.32'].end);
    assert.deepEqual(await bench.batch(), [0, 0]);
    assert.equal(bench.depth([7]), 1);
  });

  it('are followed where SGLang says that they publish', async () => {
    const publisher = await bench.publisher();
    const kv_events = { endpoint_port_base: publisher.port, replay_endpoint_port_base: null, dp_size: 1 };
    const engine = await bench.engine({ ...PAGES, '/server_info': json(200, { kv_events }) });
    bench.join('a', engine, AUTO);
    await publisher.joined();
    assert.deepEqual(followed(), [[0, at(publisher.port)]]);
    await publisher.publish(store(1));
    await bench.batch();
    assert.equal(bench.depth([1]), 1);
  });

  it('are followed elsewhere when they have started anew there, and what they held is forgotten', async () => {
    const [before, after] = [await bench.publisher(), await bench.publisher()];
    const engine = await bench.engine({ ...PAGES, '/kv_event_sources': sourcesPage([before.port]) });
    bench.join('a', engine, AUTO);
    await before.joined();
    await before.publish(store(1));
    await bench.batch();
    assert.equal(bench.depth([1]), 1);

    engine.pages = { ...PAGES, '/kv_event_sources': sourcesPage([after.port]) };
    bench.heardAnew('a');
    await before.left();
    await after.joined();
    assert.deepEqual(followed(), [[0, at(after.port)]]);
    assert.deepEqual(bench.cache.index.size(), { blocks: 0, entries: 0 });
    assert.isTrue(bench.cache.catalog.isAdapter('sql'), 'its adapters are known');
    await after.publish(store(2));
    await bench.batch();
    assert.equal(bench.depth([2]), 1);
  });

  it('are asked again when they are lost: they may start anew elsewhere', async () => {
    const [before, after] = [await bench.publisher(), await bench.publisher()];
    const engine = await bench.engine({ ...PAGES, '/kv_event_sources': sourcesPage([before.port]) });
    bench.join('a', engine, AUTO);
    await before.joined();
    await bench.said();
    engine.pages = { ...PAGES, '/kv_event_sources': sourcesPage([after.port]) };
    await bench.end(before);
    await after.joined();
    assert.deepEqual(followed(), [[0, at(after.port)]]);
  });

  it('keep what they hold when they say the same again', async () => {
    const publisher = await bench.publisher();
    const pages = { ...PAGES, '/kv_event_sources': sourcesPage([publisher.port]) };
    const engine = await bench.engine(pages);
    bench.join('a', engine, AUTO);
    await bench.said();
    await publisher.joined();
    await publisher.publish(store(1));
    await bench.batch();
    engine.pages = { ...pages, '/version': versionPage('0.33.0') };
    bench.heardAnew('a');
    assert.equal((await bench.said()).version, '0.33.0');
    assert.equal(bench.depth([1]), 1);
    await publisher.publish(store(2));
    assert.deepEqual(await bench.batch(), [0, 1]);
  });

  it('keep what they hold while they do not say it', async () => {
    const publisher = await bench.publisher();
    const engine = await bench.engine({ ...PAGES, '/kv_event_sources': sourcesPage([publisher.port]) });
    bench.join('a', engine, AUTO);
    await bench.said();
    await publisher.joined();
    await publisher.publish(store(1));
    await bench.batch();
    engine.pages = { ...PAGES, '/version': versionPage('0.33.0') };
    bench.heardAnew('a');
    // A question of before may have got some of its answers by now.
    while ((await bench.said()).version !== '0.33.0');
    assert.deepEqual([bench.depth([1]), followed()], [1, [[0, at(publisher.port)]]]);
  });

  it('are not followed when they say it as they leave', async () => {
    const answer = Promise.withResolvers<FakeAnswer>();
    const engine = await bench.engine({ ...PAGES, '/kv_event_sources': answer.promise });
    const pod = bench.join('a', engine, AUTO);
    await engine.askedAll();
    answer.resolve(sourcesPage([5557]) as FakeAnswer);
    bench.leave(pod);
    engine.pages = PAGES;
    bench.join('b', engine, AUTO);
    assert.equal((await bench.said()).pod, 'b');
    assert.lengthOf(bench.lines.all, 1);
    assert.isEmpty(followed());
    assert.isEmpty(bench.cache.holders.of('a'));
  });

  it('are left with their pod, and followed anew with the next of its name', async () => {
    const publisher = await bench.publisher();
    const engine = await bench.engine({ ...PAGES, '/kv_event_sources': sourcesPage([publisher.port]) });
    const pod = bench.join('a', engine, AUTO);
    await publisher.joined();
    bench.leave(pod);
    await publisher.left();
    assert.isEmpty(followed());
    bench.join('a', engine, AUTO);
    await publisher.joined();
  });

  it('are warned of if they dial and nobody listens', async () => {
    const engine = await bench.engine({
      ...PAGES,
      '/kv_event_sources': json(200, { 0: source('tcp://gw:5557') }),
    });
    bench.join('a', engine, AUTO);
    const { level, limits } = await bench.said();
    assert.deepEqual([level, limits], ['warn', ['dials', 'no_replay']]);
    assert.isEmpty(followed());
  });

  it('are heard if they dial us', async () => {
    const bound = new EnginesBench('tcp://127.0.0.1:*');
    const [port] = await bound.feed.listen();
    const publisher = FakePublisher.dial(port!);
    try {
      const engine = await bound.engine({
        ...PAGES,
        '/kv_event_sources': json(200, { 0: source('tcp://gw:5557') }),
      });
      bound.join('a', engine, AUTO);
      assert.deepEqual((await bound.said()).limits, ['no_replay']);
      await publisher.joined();
      await publisher.publish(store(1), { topic: 'kv@a@demo' });
      assert.deepEqual(await bound.batch(), [0, 0]);
      assert.equal(bound.depth([1]), 1);
    } finally {
      await publisher.close();
      await bound.stop();
    }
  });

  for (const [what, pages] of [
    ['publish nothing', { ...PAGES, '/kv_event_sources': json(200, {}) }],
    ['cannot say it, as before vLLM 0.31', recordedPages('0.23.0')],
  ] as const) {
    it(`are warned of if they ${what}: they are not followed`, async () => {
      const engine = await bench.engine(pages);
      bench.join('a', engine, AUTO);
      const { level } = await bench.said();
      assert.isEmpty(followed());
      assert.equal(level, 'warn');
    });
  }

  it('may be simulated ones', async () => {
    const engine = await startEngine({ host: '0.0.0.0', model: 'demo', blockSizeTokens: 2 });
    bench.atEnd(() => engine.stop());
    bench.join('a', { port: engine.httpPort }, AUTO);
    assert.deepEqual((await bench.said()).limits, []);
    await bench.facts.until(fact => fact.kind === 'link' && fact.event === 'connected');
    const body = JSON.stringify({ model: 'demo', prompt: 'one two three four five', max_tokens: 1 });
    const headers = { 'content-type': 'application/json' };
    const url = `http://127.0.0.1:${engine.httpPort}/v1/completions`;
    assert.equal((await fetch(url, { method: 'POST', headers, body })).status, 200);
    engine.publishPending();
    await bench.batch();
    assert.isAbove(bench.cache.index.size().entries, 0);
    assert.deepEqual(followed(), [[0, at(engine.eventsPort!)]]);
  });
});
