import { assert } from 'chai';
import fc from 'fast-check';
import {
  clearScopeOf,
  type EngineLimit,
  type EngineProfile,
  type EventSources,
  limitsOf,
  type Page,
  type Pages,
  readPage,
  readProfile,
} from '../../src/pods/engine-profile.ts';
import { recordedPages, source } from '../support/fake-engine.ts';
import type { Version } from '../support/kv-events.ts';

const ok = (body: unknown): Page => ({ status: 200, body });
const NOTHING: EngineProfile = {
  version: undefined,
  models: undefined,
  events: undefined,
  reuse: 'whole_prefix',
};
const SILENT = { version: undefined, models: undefined, sources: undefined, serverInfo: undefined };

const eventsOf = (sources: unknown) => readProfile({ ...SILENT, sources: ok(sources) }).events;

function publishersOf(sources: unknown) {
  const events = eventsOf(sources);
  return events?.kind === 'on' ? events.publishers : assert.fail(`events are ${events?.kind}`);
}

function recorded(version: Version, lora = false): EngineProfile {
  const pages = recordedPages(version, { lora });
  const page = (path: keyof typeof pages): Page => {
    const answer = pages[path];
    return answer.kind === 'json' ? answer : assert.fail(`${path} is ${answer.kind}`);
  };
  return readProfile({
    version: page('/version'),
    models: page('/v1/models'),
    sources: page('/kv_event_sources'),
    serverInfo: undefined,
  });
}

const kept = (pages: Pages): Pages => ({
  version: readPage('version', pages.version),
  models: readPage('models', pages.models),
  sources: readPage('sources', pages.sources),
  serverInfo: readPage('serverInfo', pages.serverInfo),
});

describe('what an engine says of itself', () => {
  it('is read from what vLLM 0.32.0 answered', () => {
    assert.deepEqual(recorded('0.32.0', true), {
      version: '0.32.0',
      models: { adapters: ['ad1'], names: ['tiny'] },
      events: { kind: 'on', publishers: [{ rank: 0, port: 5567, replayPort: 5568 }] },
      reuse: 'whole_prefix',
    });
  });

  it('is read from what vLLM 0.23.0 answered, which does not say where it publishes', () => {
    assert.deepEqual(recorded('0.23.0'), {
      version: '0.23.0',
      models: { adapters: [], names: ['tiny'] },
      events: undefined,
      reuse: 'whole_prefix',
    });
  });

  it('is nothing where it says nothing', () => {
    assert.deepEqual(readProfile(SILENT), NOTHING);
  });

  it('counts with status 200 only', () => {
    for (const status of [201, 301, 401, 403, 404, 500]) {
      const page = (body: unknown) => ({ status, body });
      const pages = {
        ...{ version: page({ version: '0.32.0' }), models: page({ data: [] }), sources: page({}) },
        serverInfo: page({ kv_events: null }),
      };
      assert.deepEqual(readProfile(pages), NOTHING, `${status}`);
    }
  });

  it('lacks no more than the page that is not understood', () => {
    const pages = {
      ...{ version: ok('0.32.0'), models: ok({ data: [{ id: 'demo' }] }), sources: ok(undefined) },
      serverInfo: ok({ kv_events: 'on' }),
    };
    assert.deepEqual(readProfile(pages), { ...NOTHING, models: { adapters: [], names: ['demo'] } });
  });

  it('tells adapters from further names of the base model by the parent that they have', () => {
    const data = [
      { id: 'demo', parent: null },
      { id: 'alias' },
      { id: 'sql', parent: 'demo' },
      { id: 'deep', parent: 'sql', root: 'x', permission: [] },
    ];
    const { models } = readProfile({ ...SILENT, models: ok({ object: 'list', data }) });
    assert.deepEqual(models, { adapters: ['sql', 'deep'], names: ['demo', 'alias'] });
  });

  it('is kept without the rest of its pages', () => {
    const rest = { more: 'x'.repeat(1_000) };
    const pages = kept({
      version: ok({ version: '0.32.0', ...rest }),
      models: ok({
        data: [
          { id: 'demo', ...rest },
          { id: 'sql', parent: 'demo', ...rest },
        ],
        ...rest,
      }),
      sources: ok({ 0: { ...source('tcp://*:5557'), ...rest } }),
      serverInfo: ok({
        ...{ kv_events: null, ...rest },
        vllm_config: { speculative_config: { method: 'eagle', ...rest }, ...rest },
      }),
    });
    assert.notInclude(JSON.stringify(pages), rest.more);
    const { models, events, reuse } = readProfile(pages);
    assert.deepEqual(models, { names: ['demo'], adapters: ['sql'] });
    assert.equal(events?.kind, 'on');
    assert.equal(reuse, 'all_but_last_block');
    assert.deepEqual(readPage('models', ok([rest])), { status: 200, body: undefined });
    assert.deepEqual(readPage('sources', ok(rest)), { status: 200, body: undefined });
    assert.isUndefined(readPage('version', undefined));
  });

  it('has so many names and no more, none of them longer than names are', () => {
    const data = [{ id: 'x'.repeat(513) }, ...Array.from({ length: 10_000 }, (_, i) => ({ id: `m${i}` }))];
    assert.lengthOf(readProfile({ ...SILENT, models: ok({ data }) }).models!.names, 2_047);
  });

  it('is understood or not, whatever JSON it is', () => {
    const page = fc.oneof(
      fc.constant(undefined),
      fc.record({ status: fc.constantFrom(200, 404), body: fc.oneof(fc.jsonValue(), fc.anything()) }),
      fc.record({ status: fc.constant(200), body: anySources() }),
    );
    fc.assert(
      fc.property(page, page, page, page, (version, models, sources, serverInfo) => {
        const profile = readProfile({ version, models, sources, serverInfo });
        assert.deepEqual(readProfile(kept({ version, models, sources, serverInfo })), profile);
        assert.hasAllKeys(profile, ['version', 'models', 'events', 'reuse']);
        for (const { rank } of profile.events?.kind === 'on' ? profile.events.publishers : []) {
          assert.isTrue(Number.isInteger(rank) && rank >= 0);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('how much of a prefix an engine uses again', () => {
  const reuse = (speculative_config: unknown) =>
    readProfile({ ...SILENT, serverInfo: ok({ vllm_config: { speculative_config } }) }).reuse;

  // `PydanticVllmConfig.dump_python` of vLLM 0.32's configuration has these fields among others.
  for (const method of ['eagle', 'eagle3', 'mtp'])
    it(`is all but the last block with ${method}`, () => {
      assert.equal(reuse({ method, disable_eagle_block_drop: false, model: 'draft' }), 'all_but_last_block');
      assert.equal(reuse({ method }), 'all_but_last_block', 'before it could be switched off');
      assert.equal(reuse({ method, disable_eagle_block_drop: true }), 'whole_prefix');
    });

  it('is all of it with other kinds of speculation, and without', () => {
    for (const other of [{ method: 'ngram' }, { method: 7 }, null, 'eagle', undefined])
      assert.equal(reuse(other), 'whole_prefix');
    assert.equal(readProfile({ ...SILENT, serverInfo: ok({ vllm_config: 'text' }) }).reuse, 'whole_prefix');
    assert.equal(readProfile(SILENT).reuse, 'whole_prefix');
  });
});

describe('where SGLang says that it publishes', () => {
  const eventsIn = (kv_events: unknown) =>
    readProfile({ ...SILENT, serverInfo: ok({ tp_size: 1, kv_events }) }).events;
  const BASES = { endpoint_port_base: 5557, replay_endpoint_port_base: 5657, block_size: 16, topic: 'kv' };

  it('is a port per rank, from a base on', () => {
    assert.deepEqual(eventsIn({ ...BASES, dp_size: 2 }), {
      kind: 'on',
      publishers: [
        { rank: 0, port: 5557, replayPort: 5657 },
        { rank: 1, port: 5558, replayPort: 5658 },
      ],
    });
  });

  it('may be one rank, without replay', () => {
    const publishers = [{ rank: 0, port: 5557, replayPort: undefined }];
    assert.deepEqual(eventsIn({ endpoint_port_base: 5557 }), { kind: 'on', publishers });
    const nils = { endpoint_port_base: 5557, replay_endpoint_port_base: null, dp_size: null };
    assert.deepEqual(eventsIn(nils), { kind: 'on', publishers });
  });

  it('is nowhere without events, and where there are no such ports', () => {
    assert.deepEqual(eventsIn(null), { kind: 'off' });
    assert.deepEqual(eventsIn({ ...BASES, endpoint_port_base: 65_535, dp_size: 2 }), { kind: 'off' });
  });

  it('is not understood, whatever else it is', () => {
    for (const events of [undefined, {}, 'on', { ...BASES, dp_size: 257 }, { endpoint_port_base: 0 }])
      assert.isUndefined(eventsIn(events));
  });

  it('does not count beside vLLM’s own page', () => {
    const pages = { ...SILENT, sources: ok({}), serverInfo: ok({ kv_events: BASES }) };
    assert.deepEqual(readProfile(pages).events, { kind: 'off' });
  });
});

describe('where an engine says that it publishes', () => {
  for (const [endpoint, port] of [
    ['tcp://*:5557', 5557],
    ['tcp://[::]:5557', 5557],
    ['tcp://:::5557', 5557],
    ['tcp://[fd00::7]:5557', 5557],
    ['tcp://0.0.0.0:5557', undefined],
    ['tcp://warmroute:5557', undefined],
    ['tcp://127.0.0.1:5557', undefined],
    ['ipc:///tmp/kv_*', undefined],
    ['inproc://kv_dp0', undefined],
    ['tcp://*', undefined],
    ['tcp://*:', undefined],
    ['tcp://*:port', undefined],
    ['', undefined],
  ] as const) {
    const what = port === undefined ? 'no port of ours to dial' : `port ${port}`;
    it(`is ${what}: "${endpoint}"`, () => {
      assert.deepEqual(publishersOf({ 0: source(endpoint, endpoint) }), [
        { rank: 0, port, replayPort: port },
      ]);
    });
  }

  for (const endpoint of ['tcp://*:0', 'tcp://*:65536', `tcp://*:${'9'.repeat(41)}`]) {
    it(`is no port where there is none: "${endpoint}"`, () => {
      const events = eventsOf({ 0: source(endpoint, endpoint) });
      const publishers = events?.kind === 'on' ? events.publishers : [];
      for (const { port, replayPort } of publishers)
        assert.deepEqual([port, replayPort], [undefined, undefined]);
    });
  }

  it('is a port for each rank, whatever their order', () => {
    const sources = { 10: source('tcp://*:7000'), 2: source('tcp://*:6002', 'tcp://*:6102') };
    assert.sameDeepMembers(
      [...publishersOf(sources)],
      [
        { rank: 2, port: 6002, replayPort: 6102 },
        { rank: 10, port: 7000, replayPort: undefined },
      ],
    );
  });

  it('is one port for each rank, however that is written', () => {
    const events = eventsOf({ 0: source('tcp://*:5557'), '00': source('tcp://*:5558') });
    const ranks = events?.kind === 'on' ? events.publishers.map(({ rank }) => rank) : [];
    assert.equal(new Set(ranks).size, ranks.length, 'the first would be followed for ever');
  });

  it('is not on more ports than the pods file may name', () => {
    const sources = Array.from({ length: 5_000 }, (_, rank) => source(`tcp://*:${10_000 + rank}`));
    const events = eventsOf({ ...sources });
    const publishers = events?.kind === 'on' ? events.publishers : [];
    assert.isAtMost(publishers.length, 256, 'each takes a socket');
  });

  it('is nowhere if it publishes nothing, in all ways to say so', () => {
    const off: EventSources = { kind: 'off' };
    assert.deepEqual(eventsOf({}), off);
    assert.deepEqual(eventsOf({ 0: { ...source('tcp://*:5557'), enable_kv_cache_events: false } }), off);
    assert.deepEqual(eventsOf({ 0: { ...source('tcp://*:5557'), publisher: 'null' } }), off);
  });

  it('is where some of its ranks publish', () => {
    const silent = { ...source('tcp://*:5557'), enable_kv_cache_events: false };
    assert.deepEqual(publishersOf({ 0: silent, 1: source('tcp://*:5558') }), [
      { rank: 1, port: 5558, replayPort: undefined },
    ]);
  });

  for (const [what, sources] of [
    ['a rank that is no number', { first: source('tcp://*:5557') }],
    ['a negative rank', { '-1': source('tcp://*:5557') }],
    ['a rank without an endpoint', { 0: { enable_kv_cache_events: true } }],
    ['an endpoint that is no text', { 0: { ...source(''), endpoint: 5557 } }],
    ['an error in place of the ranks', { detail: 'Not Found' }],
    ['a list', [source('tcp://*:5557')]],
    ['a prototype', JSON.parse('{"__proto__":{}}')],
    ['no object', 'off'],
  ] as const) {
    it(`is not known from ${what}`, () => {
      const events = eventsOf(sources);
      assert.notEqual(events?.kind, 'on');
    });
  }
});

describe('what an engine means by a clear', () => {
  for (const [version, expected] of [
    ['0.9.1', 'gpu'],
    ['0.11.2', 'gpu'],
    ['0.12.0', 'everything'],
    ['0.33.0', 'everything'],
    ['0.5.23', 'everything'],
    ['1.0.0', 'everything'],
    ['dev', 'everything'],
    [undefined, 'everything'],
  ] as const) {
    it(`is by its version ${expected}: ${version}`, () => {
      assert.equal(clearScopeOf({ ...NOTHING, version }), expected);
    });
  }

  it('is everything while it has said nothing', () => {
    assert.equal(clearScopeOf(undefined), 'everything');
  });
});

describe('the limits of an engine', () => {
  const WANTED = { asked: false, dialled: true, replayed: true };
  const BINDS: EventSources = { kind: 'on', publishers: [{ rank: 0, port: 5557, replayPort: 5558 }] };

  function limits(
    version: string | undefined,
    events: EventSources | undefined = BINDS,
    wanted = WANTED,
  ): EngineLimit['what'][] {
    const found = limitsOf({ version, models: undefined, events, reuse: 'whole_prefix' }, wanted);
    for (const { means } of found) assert.match(means, /\w{4}/, 'it says what that means');
    return found.map(({ what }) => what);
  }

  const [NAME, KIND, ARRAYS] = ['no_lora_name', 'no_group_kind', 'array_events'] as const;
  for (const [version, expected] of [
    ['0.9.1', [NAME, KIND, ARRAYS]],
    ['0.14.9', [NAME, KIND, ARRAYS]],
    ['0.11.1rc2.dev3+g0a1b2c3', [NAME, KIND, ARRAYS]],
    ['0.15.0', [KIND, ARRAYS]],
    ['0.19.1', [KIND, ARRAYS]],
    ['0.20.0', [ARRAYS]],
    ['0.23.0', [ARRAYS]],
    ['0.24.0', []],
    ['0.24.0rc1', []],
    ['0.32.0', []],
    ['0.100.0', []],
    ['1.0.0', []],
    ['1.0.3', []],
    ['10.9.0', []],
    ['dev', []],
    ['', []],
    ['v0.9.1', [NAME, KIND, ARRAYS]],
    ['0.9', [NAME, KIND, ARRAYS]],
    ['0.x.1', []],
    [undefined, []],
  ] as const) {
    it(`by its version are ${expected.join(', ') || 'none'}: ${version}`, () => {
      assert.deepEqual(limits(version), [...expected]);
    });
  }

  it('are told though it does not say where it publishes', () => {
    assert.deepEqual(
      limitsOf({ ...NOTHING, version: '0.23.0' }, WANTED).map(({ what }) => what),
      [ARRAYS],
    );
  });

  it('are that it has nothing to say', () => {
    assert.deepEqual(limits('0.32.0', { kind: 'off' }), ['no_events']);
  });

  it('are that it does not say where it publishes, only where it is asked that', () => {
    const asked = { ...WANTED, asked: true };
    assert.deepEqual(
      limitsOf({ ...NOTHING, version: '0.23.0' }, asked).map(({ what }) => what),
      ['no_sources', ARRAYS],
    );
    assert.deepEqual(limits('0.32.0', BINDS, asked), []);
  });

  it('are that it dials, only where it should be dialled', () => {
    const dials: EventSources = { kind: 'on', publishers: [{ rank: 0, port: undefined, replayPort: 5558 }] };
    assert.deepEqual(limits('0.32.0', dials), ['dials']);
    assert.deepEqual(limits('0.32.0', dials, { ...WANTED, dialled: false }), []);
  });

  it('are that it does not replay, by its own account or by the pods file', () => {
    const mute: EventSources = { kind: 'on', publishers: [{ rank: 0, port: 5557, replayPort: undefined }] };
    assert.deepEqual(limits('0.32.0', mute), ['no_replay']);
    assert.deepEqual(limits('0.32.0', BINDS, { ...WANTED, replayed: false }), ['no_replay']);
    assert.deepEqual(limits('0.32.0', undefined, { ...WANTED, replayed: false }), ['no_replay']);
  });

  it('are those of any of its ranks, each once', () => {
    const publishers = [5557, undefined, undefined].map((port, rank) => ({ rank, port, replayPort: port }));
    assert.deepEqual(limits('0.32.0', { kind: 'on', publishers }), ['dials', 'no_replay']);
  });
});

/** Near enough to what an engine says. */
function anySources(): fc.Arbitrary<unknown> {
  const endpoint = fc.oneof(
    fc.string(),
    fc.constantFrom('tcp://*:1', 'tcp://::', 'tcp://*:99999', null, 5557),
  );
  const rank = fc.record(
    {
      enable_kv_cache_events: fc.oneof(fc.boolean(), fc.constant('true')),
      publisher: fc.constantFrom('zmq', 'null', null, 1),
      endpoint,
      replay_endpoint: endpoint,
    },
    { requiredKeys: [] },
  );
  return fc.dictionary(fc.constantFrom('0', '1', '256', '-1', 'x', '__proto__'), rank);
}
