import { once } from 'node:events';
import { mock } from 'node:test';
import { assert } from 'chai';
import { HealthPoller, type HealthPollerOptions } from '../../src/engine-api/health-poller.ts';
import type { PollFact, SleepFact } from '../../src/health/pods-health.ts';
import { aPod } from '../support/builders.ts';
import { FakeEngine, type PageAnswer } from '../support/fake-engine.ts';
import { HANG, json, RESET } from '../support/fake-tokenizer.ts';
import { freePort } from '../support/free-port.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';
import { idle, UVICORN_KEEP_ALIVE_MS, Uvicorn } from '../support/uvicorn.ts';

const text = (status: number, content = ''): PageAnswer => ({ kind: 'text', status, text: content });
const WELL = text(200);

describe('the health poller', function () {
  this.timeout(10_000);
  let engine: FakeEngine;
  let clock: HandClock;
  let facts: Inbox<PollFact | SleepFact>;
  let poller: HealthPoller;

  beforeEach(async () => {
    engine = await FakeEngine.start({ '/health': WELL });
    clock = new HandClock();
    facts = new Inbox();
    poller = create();
  });
  afterEach(async () => {
    await poller.stop();
    await engine.stop();
  });

  function create(given: Partial<HealthPollerOptions> = {}): HealthPoller {
    return new HealthPoller({
      ...{ intervalMs: 2_000, onFact: (_, fact) => facts.push(fact), sleep: clock.sleep, random: () => 0.5 },
      ...given,
    });
  }

  const pod = () => aPod({ port: engine.port });

  /** The next fact of this kind; what sleeps is told of meanwhile. */
  async function round(): Promise<PollFact | SleepFact> {
    await clock.passNext();
    return facts.until(({ kind }) => kind.startsWith('poll_'));
  }

  it('asks at times that differ from pod to pod, one question at a time', async () => {
    engine.pages = { '/health': HANG };
    poller.follow(pod());
    assert.equal(await clock.passNext(), 1_000);
    assert.equal(await engine.asked.next(), 'GET /health');
    // No second question, however long the first one takes: there is no pause that could end.
    assert.equal(clock.sleeping, 0);
    assert.deepInclude(await facts.next(), { kind: 'poll_unanswered' });
    assert.equal(await clock.sleeps.next(), 500, 'and then the next one comes soon');
  });

  it('goes on for as long as the pod is followed', async () => {
    poller.follow(pod());
    for (let i = 0; i < 3; i++) assert.deepEqual(await round(), { kind: 'poll_ok' });
    assert.deepEqual(clock.sleeps.all.slice(0, 3), [1_000, 1_900, 1_900]);
    poller.leave('engine-0');
    engine.asked.skip();
    assert.equal(clock.sleeping, 0);
  });

  it('uses a connection again, and ends it before the engine does', async () => {
    const uvicorn = await Uvicorn.start();
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      poller.follow(aPod({ port: uvicorn.port }));
      await clock.passNext();
      const pauseMs = await clock.sleeps.next();
      await idle(UVICORN_KEEP_ALIVE_MS / 2);
      clock.advance(pauseMs);
      await clock.sleeps.next();
      assert.lengthOf(uvicorn.connections.all, 1);
      const ended = once(await uvicorn.connections.next(), 'close');
      await idle(UVICORN_KEEP_ALIVE_MS - 100);
      await ended;
    } finally {
      mock.timers.reset();
      await uvicorn.stop();
    }
  });

  it('takes turns among very many pods', async () => {
    poller = create();
    for (let i = 0; i < 1_000; i++) poller.follow(aPod({ name: `${i}`, port: engine.port }));
    assert.equal(await clock.sleeps.next(), 2_000, 'half of four seconds');
  });

  for (const [title, page, fact] of [
    ['well', WELL, { kind: 'poll_ok' }],
    ['well without content', text(204), { kind: 'poll_ok' }],
    ['not well', text(503), { kind: 'poll_failed', what: 'GET http://127.0.0.1:<port>/health answered 503' }],
    ['without such a path', json(404, {}), { kind: 'poll_void' }],
    ['without such a method', json(405, {}), { kind: 'poll_void' }],
    ['closed to us', json(401, {}), { kind: 'poll_void' }],
    ['not made for it', text(501), { kind: 'poll_void' }],
    ['elsewhere', text(302), { kind: 'poll_void' }],
  ] as const) {
    it(`tells of an engine that is ${title}`, async () => {
      engine.pages = { '/health': page };
      poller.follow(pod());
      const expected =
        'what' in fact ? { ...fact, what: fact.what.replace('<port>', `${engine.port}`) } : fact;
      assert.deepEqual(await round(), expected);
    });
  }

  it('tells of a port that nothing listens on', async () => {
    const port = await freePort();
    poller.follow(aPod({ port }));
    assert.deepEqual(await round(), {
      kind: 'poll_refused',
      what: `GET http://127.0.0.1:${port}/health: nothing listens there`,
    });
  });

  it('tells of a connection that breaks, and of an engine that takes too long', async () => {
    engine.pages = { '/health': RESET };
    poller.follow(pod());
    const broken = await round();
    assert(broken.kind === 'poll_unanswered');
    assert.match(broken.what, /^GET http:.*: UND_ERR_SOCKET$/);
    engine.pages = { '/health': HANG };
    const late = await round();
    assert(late.kind === 'poll_unanswered');
    assert.match(late.what, /no answer within 2 s$/);
    assert.equal(await engine.abandoned.next(), 'GET /health');
    engine.pages = { '/health': WELL };
    assert.deepEqual(await round(), { kind: 'poll_ok' });
  });

  it('says nothing of a pod that was left while it was asked', async () => {
    engine.pages = { '/health': HANG };
    poller.follow(pod());
    await clock.passNext();
    await engine.asked.next();
    poller.leave('engine-0');
    await poller.stop();
    assert.isEmpty(facts.all);
  });

  it('cuts an answer off that never ends', async () => {
    engine.pages = { '/health': { kind: 'flood' } };
    poller.follow(pod());
    assert.deepEqual(await round(), { kind: 'poll_ok' });
  });

  it('asks whether the engine sleeps', async () => {
    engine.pages = { '/health': WELL, '/is_sleeping': json(200, { is_sleeping: true }) };
    poller.follow(pod());
    await clock.passNext();
    assert.deepEqual(await facts.until(({ kind }) => !kind.startsWith('poll_')), { kind: 'asleep' });
    engine.pages = { '/health': WELL, '/is_sleeping': json(200, { is_sleeping: false }) };
    await clock.passNext();
    assert.deepEqual(await facts.until(({ kind }) => !kind.startsWith('poll_')), { kind: 'awake' });
  });

  it('reads it from the metrics where the engine has no page for it, now and then', async () => {
    const metric = 'vllm:engine_sleep_state{engine="0",model_name="m",sleep_state="awake"} 0.0\n';
    engine.pages = { '/health': WELL, '/metrics': text(200, metric) };
    poller.follow(pod());
    for (let i = 0; i < 17; i++) await round();
    await clock.passNext();
    const asked = (path: string) => engine.asked.all.filter(each => each === `GET ${path}`).length;
    assert.deepEqual([asked('/is_sleeping'), asked('/metrics')], [1, 2]);
    assert.deepInclude(facts.all, { kind: 'asleep' });
  });

  it('asks no further where there is nothing of the kind, until it looks again', async () => {
    poller.follow(pod());
    for (let i = 0; i < 151; i++) await round();
    await clock.sleeps.until(() => clock.sleeping > 0);
    const asked = (path: string) => engine.asked.all.filter(each => each === `GET ${path}`).length;
    assert.deepEqual([asked('/is_sleeping'), asked('/metrics')], [2, 2]);
    assert.isTrue(facts.all.every(({ kind }) => kind === 'poll_ok'));
  });
});
