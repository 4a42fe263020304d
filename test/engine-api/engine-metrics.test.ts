import { assert } from 'chai';
import type { UnknownEngineLoad } from '../../src/domain.ts';
import {
  EngineMetrics,
  type EngineMetricsOptions,
  type ScrapeFact,
  type ScrapeFailure,
} from '../../src/engine-api/engine-metrics.ts';
import { aPod } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { FakeEngine, FLOOD, type PageAnswer } from '../support/fake-engine.ts';
import { HANG, RESET } from '../support/fake-tokenizer.ts';
import { freePort } from '../support/free-port.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';

const text = (status: number, content: string): PageAnswer => ({ kind: 'text', status, text: content });
const page = (running: number) =>
  text(
    200,
    `vllm:num_requests_running ${running}\nvllm:num_requests_waiting 2\nvllm:kv_cache_usage_perc 0.5\n`,
  );

describe('the reading of engines’ metrics', function () {
  this.timeout(20_000);
  let engine: FakeEngine;
  let clock: HandClock;
  let facts: Inbox<ScrapeFact>;
  let metrics: EngineMetrics;

  beforeEach(async () => {
    engine = await FakeEngine.start({ '/metrics': page(3) });
    clock = new HandClock(1_000_000);
    facts = new Inbox();
    metrics = create('always');
  });
  afterEach(async () => {
    await metrics.stop();
    await engine.stop();
  });

  function create(
    use: EngineMetricsOptions['use'],
    given: Partial<EngineMetricsOptions> = {},
  ): EngineMetrics {
    return new EngineMetrics({
      ...{ intervalMs: 1_000, use, onFact: fact => facts.push(fact) },
      ...{ now: clock.now, sleep: clock.sleep, random: () => 0.5 },
      ...given,
    });
  }

  const pod = () => aPod({ port: engine.port });

  async function scraped(): Promise<ScrapeFact> {
    await clock.passNext();
    return facts.next();
  }

  it('tells what each engine says, and when it said so', async () => {
    metrics.follow(pod());
    assert.deepEqual(metrics.loadOf(pod()), { kind: 'unknown', why: 'not_asked' });
    assert.deepInclude(await scraped(), { kind: 'scraped' });
    assert.deepInclude(metrics.loadOf(pod()), {
      ...{ kind: 'known', atMs: 1_000_500, running: 3, waiting: 2, kvUsage: 0.5, busyShare: 1 },
      ...{ cpuKvUsage: undefined, utilization: undefined, adapters: undefined },
    });
    assert.deepEqual(metrics.shownLoadOf('engine-0'), metrics.loadOf(pod()));
  });

  it('is on a port of its own, where the pod says so', async () => {
    metrics.follow({ ...pod(), port: await freePort(), metricsPort: engine.port });
    assert.deepInclude(await scraped(), { kind: 'scraped' });
  });

  it('asks again and again, at times that differ, one question at a time', async () => {
    metrics.follow(pod());
    for (let i = 0; i < 3; i++) await scraped();
    assert.deepEqual(clock.sleeps.all.slice(0, 3), [500, 950, 950]);
    engine.pages = { '/metrics': HANG };
    await clock.passNext();
    engine.asked.skip();
    assert.equal(clock.sleeping, 0, 'no pause that could end while a question is out');
  });

  it('forgets what is too old to decide by', async () => {
    metrics.follow(pod());
    await scraped();
    engine.pages = { '/metrics': RESET };
    clock.advance(5_000);
    assert.equal(metrics.loadOf(pod()).kind, 'known');
    clock.advance(1);
    assert.deepEqual(metrics.loadOf(pod()), { kind: 'unknown', why: 'no_answer' });
  });

  describe('asks nobody', () => {
    it('for whose load nobody asks, and goes on while somebody does', async () => {
      metrics = create('on_demand');
      metrics.follow(pod());
      assert.equal(clock.sleeping, 0);
      assert.equal(metrics.shownLoadOf('engine-0').kind, 'unknown');
      assert.equal(clock.sleeping, 0, 'to be shown is no reason');
      assert.equal(metrics.loadOf(pod()).kind, 'unknown');
      await scraped();
      assert.equal(metrics.loadOf(pod()).kind, 'known');
      const last = clock.now();
      while (clock.now() - last < 58_000) await scraped();
      clock.advance(5_000);
      await eventually('it ends', () => clock.sleeping === 0);
      metrics.loadOf(pod());
      await scraped();
    });

    it('with the interval 0', () => {
      metrics = create('always', { intervalMs: 0 });
      metrics.follow(pod());
      assert.equal(metrics.loadOf(pod()).kind, 'unknown');
      assert.equal(clock.sleeping, 0);
    });

    it('of whom it was not told', () => {
      assert.equal(metrics.loadOf(pod()).kind, 'unknown');
      assert.equal(metrics.shownLoadOf('engine-0').kind, 'unknown');
      metrics.leave('engine-0');
    });
  });

  it('asks more seldom for what is only shown, and as often as said once decisions are made by it', async () => {
    metrics = create('shown');
    metrics.follow(pod());
    await scraped();
    const before = clock.now();
    while (engine.asked.all.length < 2) await clock.passNext();
    await facts.next();
    assert.isAtLeast(clock.now() - before, 10_000);
    assert.equal(metrics.shownLoadOf('engine-0').kind, 'known');
    metrics.loadOf(pod());
    const then = clock.now();
    await scraped();
    assert.isAtMost(clock.now() - then, 1_000);
  });

  it('asks as seldom while somebody looks at what is made of it, and for some minutes after', async () => {
    metrics = create('on_demand');
    metrics.follow(pod());
    assert.equal(clock.sleeping, 0);
    metrics.lookedAt();
    metrics.lookedAt();
    assert.equal(clock.sleeping, 1);
    await scraped();
    assert.equal(metrics.shownLoadOf('engine-0').kind, 'known');
    const before = clock.now();
    while (engine.asked.all.length < 2) await clock.passNext();
    await facts.next();
    assert.isAtLeast(clock.now() - before, 10_000);
    metrics.follow(aPod({ name: 'joined later', port: engine.port }));
    await eventually('both are asked', () => clock.sleeping === 2);
    clock.advance(301_000);
    await eventually('it ends', () => clock.sleeping === 0);
    assert.equal(metrics.shownLoadOf('engine-0').kind, 'unknown');
  });

  const failures: readonly [
    title: string,
    answer: PageAnswer,
    why: ScrapeFailure,
    load: UnknownEngineLoad['why'],
  ][] = [
    ['breaks', RESET, 'broken', 'no_answer'],
    ['has no such page', text(404, 'not found'), 'status', 'no_answer'],
    ['says nothing that is known', text(200, 'up 1\n'), 'no_known_metrics', 'not_told'],
    ['never stops talking', FLOOD, 'too_long', 'no_answer'],
  ];
  for (const [title, answer, why, load] of failures) {
    it(`counts an engine that ${title}, and asks it more and more seldom`, async () => {
      engine.pages = { '/metrics': answer };
      metrics.follow(pod());
      assert.deepInclude(await scraped(), { kind: 'failed', why });
      assert.deepEqual(metrics.loadOf(pod()), { kind: 'unknown', why: load });
      const before = clock.now();
      while (engine.asked.all.length < 4) await clock.passNext();
      assert.isAtLeast(clock.now() - before, 2_000 + 4_000 + 8_000);
      await facts.next();
    });
  }

  it('counts an engine that nothing listens for', async () => {
    metrics.follow(aPod({ port: await freePort() }));
    assert.deepInclude(await scraped(), { kind: 'failed', why: 'refused' });
  });

  it('counts an engine that does not answer', async () => {
    engine.pages = { '/metrics': HANG };
    metrics.follow(pod());
    assert.deepInclude(await scraped(), { kind: 'failed', why: 'timeout' });
  });

  it('keeps what was said last through a failure, and hears an engine that is back at once', async () => {
    metrics.follow(pod());
    await scraped();
    engine.pages = { '/metrics': RESET };
    await scraped();
    assert.deepInclude(metrics.loadOf(pod()), { kind: 'known', running: 3 });
    engine.pages = { '/metrics': page(7) };
    while (facts.all.length < 3) await clock.passNext();
    assert.deepInclude(metrics.loadOf(pod()), { kind: 'known', running: 7 });
  });

  it('tells nothing of a pod that has left, whatever is still on its way', async () => {
    let answer = (_: PageAnswer) => {};
    engine.pages = { '/metrics': new Promise<PageAnswer>(resolve => (answer = resolve)) };
    metrics.follow(pod());
    await clock.passNext();
    await engine.asked.next();
    metrics.leave('engine-0');
    answer(page(1));
    await metrics.stop();
    assert.equal(facts.all.length, 0);
    assert.equal(metrics.shownLoadOf('engine-0').kind, 'unknown');
  });
});
