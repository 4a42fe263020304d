import { assert } from 'chai';
import { endpointOf, type Pod } from '../../src/domain.ts';
import type { EngineProfile } from '../../src/pods/engine-profile.ts';
import { EngineProfiles, type EngineProfilesOptions } from '../../src/pods/engine-profiles.ts';
import { createEngineHttp, type EngineHttp } from '../../src/prompt/engine/http.ts';
import { Slots } from '../../src/slots.ts';
import { aPod } from '../support/builders.ts';
import { FakeEngine, FLOOD, modelsPage, recordedPages, versionPage } from '../support/fake-engine.ts';
import { type FakeAnswer, HANG, json, RESET } from '../support/fake-tokenizer.ts';
import { freePort } from '../support/free-port.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Inbox } from '../support/inbox.ts';

const REFRESH_MS = 60_000;
const RETRY_MS = 1_000;
const MAX_BYTES = 100_000;
/** Never over in a test. */
const PATIENT_MS = 60_000;

const PAGES = {
  '/version': versionPage('0.32.0'),
  '/v1/models': modelsPage(['demo'], ['sql']),
  '/kv_event_sources': json(200, {}),
};
const PROFILE: EngineProfile = {
  version: '0.32.0',
  models: { adapters: ['sql'], names: ['demo'] },
  events: { kind: 'off' },
  reuse: 'whole_prefix',
};

describe('asking engines who they are', () => {
  let engine: FakeEngine;
  let http: EngineHttp;
  let clock: HandClock;
  let told: Inbox<[pod: string, profile: EngineProfile]>;
  let profiles: EngineProfiles;

  beforeEach(async () => {
    engine = await FakeEngine.start(PAGES);
    http = createEngineHttp({ maxConnectionsPerPod: 3, maxResponseBytes: MAX_BYTES });
    clock = new HandClock();
    told = new Inbox();
    profiles = asking();
  });

  afterEach(async () => {
    await profiles.stop();
    assert.equal(clock.sleeping, 0);
    await http.close();
    await engine.stop();
  });

  function asking(given: Partial<EngineProfilesOptions> = {}): EngineProfiles {
    return new EngineProfiles({
      get: (pod, path, signal) => http.getJson(`http://${endpointOf(pod)}${path}`, signal),
      timeoutMs: PATIENT_MS,
      refreshMs: REFRESH_MS,
      retryMs: RETRY_MS,
      sleep: clock.sleep,
      random: () => 0,
      slots: new Slots(16),
      onProfile: (pod, profile) => told.push([pod.name, profile]),
      ...given,
    });
  }

  function follow(given: Partial<Pod> = {}): Pod {
    const pod = aPod({ name: 'a', port: engine.port, ...given });
    profiles.follow(pod);
    return pod;
  }

  async function nextProfile(): Promise<EngineProfile> {
    const [pod, profile] = await told.next();
    assert.equal(pod, 'a');
    return profile;
  }

  it('takes four pages', async () => {
    follow();
    assert.isUndefined(profiles.of('a'));
    assert.deepEqual(await nextProfile(), PROFILE);
    assert.deepEqual(profiles.of('a'), PROFILE);
    const info = 'GET /server_info?config_format=json';
    assert.sameMembers(engine.asked.all, [
      ...['GET /version', 'GET /v1/models', 'GET /kv_event_sources', info],
    ]);
  });

  it('takes the pages that are wanted alone, and less often where there are very many pods', async () => {
    await profiles.stop();
    profiles = asking({ pages: ['models'], refreshMs: 10, random: () => 0.8 });
    follow();
    assert.deepEqual((await nextProfile()).models, PROFILE.models);
    assert.deepEqual(engine.asked.all, ['GET /v1/models']);
    // Twenty a pod, less a fifth.
    assert.closeTo(await clock.sleeps.next(), 16, 0.001);
  });

  it('is done again now and then, and only what is new is told', async () => {
    follow();
    await nextProfile();
    await engine.askedAll();
    for (let i = 0; i < 3; i++) {
      assert.equal(await clock.sleeps.next(), REFRESH_MS);
      clock.advance(REFRESH_MS);
      await engine.askedAll();
    }
    assert.equal(await clock.sleeps.next(), REFRESH_MS);
    engine.pages = { ...PAGES, '/v1/models': modelsPage(['demo'], ['sql', 'chat']) };
    clock.advance(REFRESH_MS);
    assert.deepEqual(await nextProfile(), {
      ...PROFILE,
      models: { adapters: ['sql', 'chat'], names: ['demo'] },
    });
    assert.lengthOf(told.all, 2);
  });

  it('is done again after no answer, less and less often', async () => {
    follow({ port: await freePort() });
    const waits: number[] = [];
    while (waits.at(-1) !== REFRESH_MS) {
      waits.push(await clock.sleeps.next());
      clock.advance(waits.at(-1)!);
    }
    assert.equal(await clock.sleeps.next(), REFRESH_MS);
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, REFRESH_MS]);
    assert.isEmpty(told.all);
    assert.isUndefined(profiles.of('a'));
  });

  it('is told of when the engine is there at last', async () => {
    const port = await freePort();
    follow({ port });
    const wait = await clock.sleeps.next();
    const late = await FakeEngine.start(PAGES, port);
    try {
      clock.advance(wait);
      assert.deepEqual(await nextProfile(), PROFILE);
      assert.equal(await clock.sleeps.next(), REFRESH_MS);
    } finally {
      await late.stop();
    }
  });

  it('keeps what an engine said, while it does not answer', async () => {
    follow();
    await nextProfile();
    const wait = await clock.sleeps.next();
    engine.pages = { '/version': RESET, '/v1/models': RESET, '/kv_event_sources': RESET };
    clock.advance(wait);
    assert.isBelow(await clock.sleeps.next(), REFRESH_MS, 'and asks again soon');
    assert.deepEqual(profiles.of('a'), PROFILE);
    assert.lengthOf(told.all, 1);
  });

  it('takes an engine that has none of the pages for one that has answered', async () => {
    engine.pages = {};
    follow();
    assert.deepEqual(await nextProfile(), {
      version: undefined,
      models: undefined,
      events: undefined,
      reuse: 'whole_prefix',
    });
    assert.equal(await clock.sleeps.next(), REFRESH_MS);
  });

  it('understands what vLLM 0.23.0 has of them', async () => {
    engine.pages = recordedPages('0.23.0', { lora: true });
    follow();
    assert.deepEqual(await nextProfile(), {
      version: '0.23.0',
      models: { adapters: ['ad1'], names: ['tiny'] },
      events: undefined,
      reuse: 'whole_prefix',
    });
  });

  for (const [what, page] of [
    ['is no JSON', { kind: 'text', status: 200, text: '{"data": [' }],
    ['is empty', { kind: 'text', status: 200, text: '' }],
    ['is of another shape', json(200, { data: { demo: {} } })],
    ['is an error', json(503, { error: 'loading' })],
    ['is too long', { kind: 'text', status: 200, text: `${' '.repeat(MAX_BYTES)}{"data":[]}` }],
    ['does not end', FLOOD],
    ['is cut off', RESET],
  ] as const) {
    it(`does without a page that ${what}`, async () => {
      engine.pages = { ...PAGES, '/v1/models': page };
      follow();
      assert.deepEqual(await nextProfile(), { ...PROFILE, models: undefined });
    });
  }

  it('gives a page up after a time', async () => {
    profiles = asking({ timeoutMs: 200 });
    engine.pages = { ...PAGES, '/v1/models': HANG };
    follow();
    assert.deepEqual(await nextProfile(), { ...PROFILE, models: undefined });
    assert.equal(await engine.abandoned.next(), 'GET /v1/models');
  });

  it('is done at once when an engine has started anew', async () => {
    follow();
    await nextProfile();
    await clock.sleeps.next();
    engine.pages = { ...PAGES, '/version': versionPage('0.33.0') };
    profiles.restarted('a');
    assert.deepEqual(await nextProfile(), { ...PROFILE, version: '0.33.0' });
    assert.equal(await clock.sleeps.next(), REFRESH_MS);
  });

  it('is done once more when an engine starts anew while it is being asked', async () => {
    const answer = Promise.withResolvers<FakeAnswer>();
    engine.pages = { ...PAGES, '/version': answer.promise };
    follow();
    await engine.askedAll();
    profiles.restarted('a');
    engine.pages = { ...PAGES, '/version': versionPage('0.33.0') };
    answer.resolve(json(200, { version: '0.32.0' }));
    assert.deepEqual(await nextProfile(), PROFILE);
    assert.deepEqual(await nextProfile(), { ...PROFILE, version: '0.33.0' });
  });

  it('is not done of a pod that nobody follows', async () => {
    profiles.restarted('b');
    await profiles.leave('b');
    follow();
    await nextProfile();
    assert.lengthOf(engine.asked.all, 4);
  });

  it('asks nothing of a pod that leaves at once', async () => {
    follow();
    await profiles.leave('a');
    assert.isEmpty(engine.asked.all);
  });

  it('ends with a pod that leaves, whatever it has asked', async () => {
    engine.pages = { ...PAGES, '/version': HANG };
    follow();
    await engine.askedAll();
    await profiles.leave('a');
    assert.equal(await engine.abandoned.next(), 'GET /version');
    assert.isUndefined(profiles.of('a'));
    assert.isEmpty(told.all);
    assert.isEmpty(clock.sleeps.all);
  });

  it('tells nothing of a pod that leaves when its answer has come', async () => {
    const under = Promise.withResolvers<void>();
    profiles = asking({
      get: async (pod, path, signal) => {
        const page = await http.getJson(`http://${endpointOf(pod)}${path}`, signal);
        if (path === '/version') under.resolve();
        return page;
      },
    });
    const answer = Promise.withResolvers<FakeAnswer>();
    engine.pages = { ...PAGES, '/v1/models': answer.promise };
    follow();
    await under.promise;
    const left = profiles.leave('a');
    answer.resolve(json(200, { data: [] }));
    await left;
    assert.isEmpty(told.all);
  });

  it('takes a pod that leaves and joins again for another one', async () => {
    engine.pages = { ...PAGES, '/version': HANG };
    follow();
    await engine.askedAll();
    const other = await FakeEngine.start({ '/version': versionPage('0.33.0') });
    try {
      const left = profiles.leave('a');
      follow({ port: other.port });
      assert.deepEqual(await nextProfile(), {
        version: '0.33.0',
        models: undefined,
        events: undefined,
        reuse: 'whole_prefix',
      });
      await left;
      assert.equal(profiles.of('a')?.version, '0.33.0');
      assert.lengthOf(told.all, 1);
    } finally {
      await other.stop();
    }
  });

  it('asks each engine by itself: one that hangs keeps no other waiting', async () => {
    engine.pages = { '/version': HANG, '/v1/models': HANG, '/kv_event_sources': HANG };
    const other = await FakeEngine.start(PAGES);
    try {
      follow({ name: 'hangs' });
      follow({ port: other.port });
      assert.deepEqual(await nextProfile(), PROFILE);
      assert.isUndefined(profiles.of('hangs'));
    } finally {
      await other.stop();
    }
  });

  it('ends for all pods at once', async () => {
    engine.pages = { ...PAGES, '/version': HANG };
    follow();
    follow({ name: 'b' });
    follow({ name: 'away', port: await freePort() });
    await engine.askedAll();
    await engine.askedAll();
    await clock.sleeps.next();
    await profiles.stop();
    assert.isEmpty(told.all);
    assert.equal(clock.sleeping, 0);
  });
});
