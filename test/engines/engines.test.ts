import { assert } from 'chai';
import type { KvEventSource } from '../../src/domain.ts';
import type { PublisherFact } from '../../src/events/feed-fact.ts';
import { startEngine } from '../../src/simulator/engine.ts';
import { EnginesBench, store } from '../support/engines-bench.ts';
import { modelsPage, recordedPages, sourcesPage, versionPage } from '../support/fake-engine.ts';
import { type FakeAnswer, HANG, json, RESET } from '../support/fake-tokenizer.ts';
import { freePort } from '../support/free-port.ts';
import { batchOf } from '../support/kv-events.ts';

const zmq = (port: number, replayPort?: number): KvEventSource => ({
  kind: 'zmq',
  port,
  replayPort,
  ranks: 1,
});
const PAGES = { '/version': versionPage('0.32.0'), '/v1/models': modelsPage(['demo']) };

describe('engines', () => {
  let bench: EnginesBench;

  beforeEach(() => {
    bench = new EnginesBench();
  });
  afterEach(() => bench.stop());

  /** Nobody publishes there, so that nothing is heard. */
  async function quiet(): Promise<KvEventSource> {
    return zmq(await freePort(), await freePort());
  }

  it('are followed at once, and asked who they are meanwhile', async () => {
    const publisher = await bench.publisher();
    const engine = await bench.engine({ ...PAGES, '/version': HANG });
    bench.join('a', engine, zmq(publisher.port));
    await publisher.joined();
    await publisher.publish(store(1));
    assert.deepEqual(await bench.batch(), [0, 0]);
    assert.equal(bench.depth([1]), 1);
    await engine.asked.next();
    assert.isUndefined(bench.engines.snapshot()[0]!.engine);
  });

  for (const [version, cpu] of [
    ['0.11.2', 1],
    ['0.32.0', 0],
  ] as const) {
    it(`keep ${cpu === 0 ? 'nothing' : 'what they offloaded'} when they clear their cache (vLLM ${version})`, async () => {
      const publisher = await bench.publisher();
      const engine = await bench.engine({ ...PAGES, '/version': versionPage(version) });
      bench.join('a', engine, zmq(publisher.port));
      await bench.said();
      await publisher.joined();
      const offloaded = ['BlockStored', [1], null, [], 0, null, 'CPU'];
      await publisher.publish(store(1));
      await publisher.publish(batchOf(offloaded, ['AllBlocksCleared']));
      while ((await bench.batch())[1] < 1);
      assert.equal(bench.depth([1]), 0);
      const tier = bench.cache.holders.find('a', { kind: 'cpu', rank: 0 })!;
      assert.equal(bench.cache.index.held(tier), cpu);
    });
  }

  it('are neither followed nor asked without events', async () => {
    const [silent, other] = [await bench.engine(PAGES), await bench.engine(PAGES)];
    const pod = bench.join('silent', silent, { kind: 'none' });
    bench.join('a', other, await quiet());
    assert.equal((await bench.said()).pod, 'a');
    bench.leave(pod);
    assert.isEmpty(silent.asked.all);
    assert.deepEqual(
      bench.engines.snapshot().map(({ pod }) => pod),
      ['a'],
    );
  });

  it('show their versions and limits beside their publishers', async () => {
    const [old, modern] = [
      await bench.engine({ '/version': versionPage('0.14.1') }),
      await bench.engine(PAGES),
    ];
    bench.join('old', old, zmq(await freePort()));
    await bench.said();
    bench.join('modern', modern, await quiet());
    await bench.said();
    assert.deepEqual(
      bench.engines.snapshot().map(({ pod, rank, engine }) => [pod, rank, engine]),
      [
        [
          'old',
          0,
          { version: '0.14.1', limits: ['no_replay', 'no_lora_name', 'no_group_kind', 'array_events'] },
        ],
        ['modern', 0, { version: '0.32.0', limits: [] }],
      ],
    );
  });

  it('are warned of where something is lost by their limits', async () => {
    const [old, modern, arrays] = await Promise.all(
      ['0.14.1', '0.32.0', '0.23.0'].map(version => bench.engine({ '/version': versionPage(version) })),
    );
    bench.join('old', old!, zmq(await freePort()));
    const limits = ['no_replay', 'no_lora_name', 'no_group_kind', 'array_events'];
    assert.deepEqual(await bench.said(), { level: 'warn', pod: 'old', version: '0.14.1', limits });
    bench.join('modern', modern!, await quiet());
    assert.deepEqual(await bench.said(), { level: 'info', pod: 'modern', version: '0.32.0', limits: [] });
    bench.join('arrays', arrays!, await quiet());
    assert.deepEqual(await bench.said(), {
      ...{ level: 'info', pod: 'arrays', version: '0.23.0', limits: ['array_events'] },
    });
  });

  it('are said to publish nothing, if they say so', async () => {
    const engine = await bench.engine({ ...PAGES, '/kv_event_sources': json(200, {}) });
    bench.join('a', engine, await quiet());
    const { level, limits } = await bench.said();
    assert.deepEqual([level, limits], ['warn', ['no_events']]);
  });

  it('are said to publish nothing, if the simulated one does not', async () => {
    const silent = await startEngine({ eventsPort: 'off', replayPort: 'off' });
    bench.atEnd(() => silent.stop());
    bench.join('a', { port: silent.httpPort }, await quiet());
    assert.deepEqual((await bench.said()).limits, ['no_events']);
  });

  it('show how much of a prefix they use again', async () => {
    const vllm_config = { speculative_config: { method: 'eagle3', disable_eagle_block_drop: false } };
    const engine = await bench.engine({ ...PAGES, '/server_info': json(200, { vllm_config }) });
    const pod = bench.join('a', engine, await quiet());
    await bench.said();
    assert.deepEqual([...bench.cache.catalog.dropsLastBlock], ['a']);
    bench.leave(pod);
    assert.isEmpty(bench.cache.catalog.dropsLastBlock);
  });

  it('show which names are adapters, and which are of the base model, until they leave', async () => {
    const engine = await bench.engine({ ...PAGES, '/v1/models': modelsPage(['demo', 'alias'], ['sql']) });
    const pod = bench.join('a', engine, await quiet());
    await bench.said();
    const { catalog } = bench.cache;
    const names = ['demo', 'alias', 'sql', 'other'];
    assert.deepEqual(
      names.map(name => catalog.isBaseName(name)),
      [true, true, false, false],
    );
    assert.deepEqual(
      names.map(name => catalog.isAdapter(name)),
      [false, false, true, false],
    );
    bench.leave(pod);
    assert.isFalse(names.some(name => catalog.isBaseName(name) || catalog.isAdapter(name)));
    assert.isEmpty(bench.engines.snapshot());
  });

  it('may have more to say than is read', async () => {
    const text = `{"data":[${' '.repeat(5 * 1024 * 1024)}]}`;
    const engine = await bench.engine({ ...PAGES, '/v1/models': { kind: 'text', status: 200, text } });
    bench.join('a', engine, await quiet());
    assert.equal((await bench.said()).version, '0.32.0');
  });

  it('are asked page by page, and one that hangs keeps no other waiting', async () => {
    const engine = await bench.engine({ ...PAGES, '/version': HANG });
    bench.join('a', engine, await quiet());
    await engine.askedAll();
  });

  describe('that start anew', () => {
    const LINK = { kind: 'link', event: 'connected' } as const;
    for (const [what, fact, ...others] of [
      ['a new connection', LINK, { kind: 'link', event: 'lost' }, { kind: 'reconnecting' }],
      [
        'a new sequence',
        { kind: 'forgotten', why: 'restart' },
        { kind: 'forgotten', why: 'gap' },
        { kind: 'gap', missed: 3 },
        { kind: 'state', state: 'live', why: undefined },
      ],
    ] as [string, PublisherFact, ...PublisherFact[]][]) {
      it(`are asked again: ${what}`, async () => {
        const engine = await bench.engine(PAGES);
        bench.join('a', engine, await quiet());
        await bench.said();
        engine.pages = { '/version': versionPage('0.33.0') };
        for (const other of others) bench.engines.hear({ pod: 'a', rank: 0, ...other });
        bench.engines.hear({ pod: 'nobody', rank: 0, ...fact });
        bench.join('b', await bench.engine(PAGES), await quiet());
        assert.equal((await bench.said()).pod, 'b');
        assert.lengthOf(engine.asked.all, 4);
        bench.engines.hear({ pod: 'a', rank: 1, ...fact });
        assert.equal((await bench.said()).version, '0.33.0');
        assert.lengthOf(engine.asked.all, 8);
        assert.equal(bench.engines.snapshot()[0]!.engine?.version, '0.33.0');
      });
    }

    it('are heard to', async () => {
      const started = Promise.withResolvers<FakeAnswer>();
      const engine = await bench.engine({ '/version': started.promise });
      const publisher = await bench.publisher();
      bench.join('a', engine, zmq(publisher.port));
      await bench.facts.until(fact => fact.kind === 'link' && fact.event === 'connected');
      started.resolve(json(200, { version: '0.32.0' }));
      assert.equal((await bench.said()).version, '0.32.0');

      engine.pages = { '/version': versionPage('0.33.0') };
      await bench.end(publisher);
      await bench.facts.until(fact => fact.kind === 'link' && fact.event === 'lost');
      await bench.publisher(publisher.port);
      assert.equal((await bench.said()).version, '0.33.0');
    });

    it('are spoken of once as long as they are the same', async () => {
      const engine = await bench.engine(recordedPages('0.23.0'));
      bench.join('a', engine, await quiet());
      await bench.said();
      for (let i = 0; i < 3; i++) {
        await engine.askedAll();
        bench.heardAnew('a');
      }
      await engine.askedAll();
      engine.pages = { ...recordedPages('0.23.0'), '/v1/models': modelsPage(['demo'], ['sql']) };
      bench.heardAnew('a');
      await engine.askedAll();
      engine.pages = { '/version': versionPage('0.24.0') };
      bench.heardAnew('a');
      assert.equal((await bench.said()).version, '0.24.0');
      assert.lengthOf(bench.lines.all, 2);
      assert.isTrue(bench.cache.catalog.isAdapter('sql'), 'though what is new counts');
    });

    it('are spoken of once though they are too busy for a page now and then', async () => {
      const pages = { ...PAGES, '/kv_event_sources': sourcesPage([5557]) };
      const engine = await bench.engine(pages);
      bench.join('a', engine, await quiet());
      assert.deepEqual((await bench.said()).limits, ['no_replay']);
      await engine.askedAll();
      engine.pages = { ...pages, '/kv_event_sources': RESET };
      bench.heardAnew('a');
      await engine.askedAll();
      engine.pages = { ...pages, '/version': versionPage('0.33.0') };
      bench.heardAnew('a');
      assert.equal((await bench.said()).version, '0.33.0');
    });
  });

  describe('that leave', () => {
    it('while they are asked leave nothing behind', async () => {
      const engine = await bench.engine({ ...PAGES, '/version': HANG });
      const pod = bench.join('a', engine, await quiet());
      await engine.asked.next();
      bench.leave(pod);
      await engine.abandoned.next();
      assert.isEmpty(bench.engines.snapshot());
      assert.isEmpty(bench.lines.all);
      assert.isEmpty(bench.cache.holders.of('a'));
    });

    it('may be back before anybody has noticed', async () => {
      const [engine, other] = [
        await bench.engine(PAGES),
        await bench.engine({ '/version': versionPage('0.33.0') }),
      ];
      const pod = bench.join('a', engine, await quiet());
      await bench.said();
      bench.leave(pod);
      bench.join('a', other, await quiet());
      assert.isUndefined(bench.engines.snapshot()[0]!.engine);
      assert.equal((await bench.said()).version, '0.33.0');
    });

    it('are spoken of again when they are back', async () => {
      const engine = await bench.engine(PAGES);
      for (let i = 0; i < 2; i++) {
        const pod = bench.join('a', engine, await quiet());
        assert.equal((await bench.said()).version, '0.32.0');
        bench.leave(pod);
      }
    });

    it('are heard of no more', async () => {
      const [publisher, engine] = [await bench.publisher(), await bench.engine(PAGES)];
      const pod = bench.join('a', engine, zmq(publisher.port));
      await publisher.joined();
      bench.leave(pod);
      await publisher.left();
      bench.heardAnew('a');
      assert.isEmpty(bench.feed.snapshot());
    });
  });
});
