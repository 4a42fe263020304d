/** What shows only when several pods are looked at, the running router, and the whole within its bounds. */
import { assert } from 'chai';
import { blockSizes, createTokenizer } from '../../src/composition/tokenizing.ts';
import { examine } from '../../src/doctor/examination.ts';
import type { Section } from '../../src/doctor/finding.ts';
import { DEFAULT_TIMING } from '../../src/doctor/pods/examine-pod.ts';
import { jsonReport, textReport } from '../../src/doctor/report.ts';
import type { RouterSource } from '../../src/doctor/router/examine-router.ts';
import { ROUTER_PROBLEMS } from '../../src/doctor/router/problems.ts';
import type { Pod } from '../../src/domain.ts';
import type { EngineOptions } from '../../src/simulator/engine.ts';
import { VERSION } from '../../src/version.ts';
import { aConfig, aPod } from '../support/builders.ts';
import { closedAddress } from '../support/envoy-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { FakeEngine, FLOOD, type Pages } from '../support/fake-engine.ts';
import { HANG, json, RESET } from '../support/fake-tokenizer.ts';
import { WITH_EVENTS } from '../support/fleet.ts';
import { type IllEngine, startIllEngine } from '../support/ill-engine.ts';
import { startProgram } from '../support/program.ts';

const config = aConfig(WITH_EVENTS);

async function examined(
  pods: readonly Pod[],
  router: Partial<RouterSource> = {},
  signal = new AbortController().signal,
) {
  return examine({
    pods,
    pod: {
      ...{ scheme: 'http', trust: { kind: 'system' }, apiKey: undefined, prompts: 'leave_out' },
      events: { kind: 'dial', topic: '' },
      tokenizer: observed => createTokenizer(config, { apiKey: undefined, ca: undefined }, observed),
      defaultBlockSizeTokens: blockSizes(config),
      timing: { ...DEFAULT_TIMING, questionMs: 20_000, eventsMs: 1 },
    },
    envoy: undefined,
    router: {
      ...{
        base: new URL(`http://${await closedAddress()}`),
        why: 'configured',
        version: VERSION,
        timeoutMs: 20_000,
      },
      ...router,
    },
    expected: { ...config, decisionTimeoutMs: 60_000 },
    signal,
  });
}

function problemsOf(sections: readonly Section[], kind?: Section['kind']): string[] {
  return sections
    .filter(section => kind === undefined || section.kind === kind)
    .flatMap(({ findings }) => findings.flatMap(each => ('problem' in each ? [each.problem] : [])));
}

describe('warmroute doctor, of several pods', function () {
  this.timeout(60_000);
  let engines: IllEngine[] = [];

  afterEach(async () => {
    await Promise.all(engines.map(engine => engine.stop()));
    engines = [];
  });

  async function fleet(...options: readonly Partial<EngineOptions>[]): Promise<Pod[]> {
    engines = await Promise.all(options.map(each => startIllEngine({}, each)));
    return engines.map(({ pod }, i) => ({
      ...pod,
      name: `engine-${i}`,
      model: options[i]?.model ?? pod.model,
    }));
  }

  it('finds nothing where all are well and alike, and says where hashes have to agree', async () => {
    const sections = await examined(await fleet({}, {}));
    assert.deepEqual(problemsOf(sections), []);
    assert.match(textReport(sections), /ok {4}agreement +"sim-model": 2 pods give the same tokens/);
    assert.match(textReport(sections), /ok {4}hashes +engines’ own block hashes \(PYTHONHASHSEED/);
  });

  it('finds two pods with one address, and with one event port', async () => {
    const [one] = await fleet({});
    const sections = await examined([one!, { ...one!, name: 'engine-1' }]);
    assert.deepEqual(problemsOf(sections, 'fleet'), ['two_pods_one_address', 'two_pods_one_event_port']);
    assert.include(textReport(sections), `127.0.0.1:${one!.port}: engine-0, engine-1`);
  });

  it('finds pods of one model with other chat templates', async () => {
    const sections = await examined(await fleet({}, { defaultSystemPrompt: 'You are a pirate.' }));
    assert.deepEqual(problemsOf(sections), ['pods_tokenize_apart']);
    assert.include(textReport(sections), '/v1/chat/completions: engine-0 | engine-1');
  });

  it('finds adapters that clash', async () => {
    const pods = await fleet(
      { adapters: ['sql'] },
      { model: 'other', adapters: ['sql'] },
      { model: 'third', adapters: ['other'] },
    );
    const sections = await examined(
      pods.map((pod, i) => ({ ...pod, aliases: i === 2 ? ['other'] : ['sql'] })),
    );
    assert.deepEqual(problemsOf(sections), ['adapter_clash', 'adapter_clash']);
  });

  it('says what it has not looked at when the time is over', async () => {
    const hanging = await FakeEngine.start({ '/health': HANG });
    try {
      const over = new AbortController();
      const asked = hanging.asked.next().then(() => over.abort());
      const sections = await examined([aPod({ port: hanging.port })], {}, over.signal);
      await asked;
      assert.deepEqual(problemsOf(sections), ['not_examined']);
    } finally {
      await hanging.stop();
    }
  });

  it('is not hung or ended by engines that answer without an end, with garbage, or with control characters', async () => {
    const nasty = '\u001b[2J\u202eevil\n';
    const all: readonly Pages[] = [
      ...[FLOOD, HANG, RESET, json(200, { version: nasty, data: nasty }), json(500, [[[[[nasty]]]]])].map(
        answer => ({
          ...{
            '/version': answer,
            '/v1/models': answer,
            '/kv_event_sources': answer,
            '/server_info': answer,
          },
          ...{
            '/metrics': answer,
            '/tokenize': answer,
            '/v1/completions/render': answer,
            '/v1/chat/completions/render': answer,
          },
          '/health': json(200, {}),
        }),
      ),
      { '/health': FLOOD },
    ];
    const fakes = await Promise.all(all.map(pages => FakeEngine.start(pages)));
    try {
      const over = AbortSignal.timeout(3_000);
      const pods = fakes.map(({ port }, i) =>
        aPod({ name: `engine-${i}`, port, kvEvents: { kind: 'zmq', port, replayPort: port, ranks: 1 } }),
      );
      const sections = await examined(pods, {}, over);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      assert.notMatch(textReport(sections), /[\u0000-\u0009\u000b-\u001f\u202e]/);
      assert.notInclude(jsonReport(sections), '\\u001b');
      assert.include(problemsOf(sections), 'events_not_zmq');
      assert.include(problemsOf(sections), 'http_broken');
    } finally {
      await Promise.all(fakes.map(fake => fake.stop()));
    }
  });
});

describe('warmroute doctor, of the running router', function () {
  this.timeout(60_000);

  const page = (name: string, ...all: readonly object[]) => json(200, { [name]: all });
  const WELL: Pages = {
    '/readyz': json(200, { ready: true, why: 'ok' }),
    '/version': json(200, { version: VERSION }),
    '/debug/publishers': page('publishers', { pod: 'engine-0', rank: 0, state: 'live' }),
    '/debug/pods': page('pods', { pod: 'engine-0', health: 'healthy', confirmed: 90, unconfirmed: 10 }),
  };

  const FAULTS: readonly (readonly [keyof typeof ROUTER_PROBLEMS, Pages])[] = [
    ['router_unreadable', { '/readyz': json(200, { status: 'UP' }) }],
    [
      'router_not_ready',
      { '/readyz': json(503, { ready: false, why: 'warming up: 1 of 2 event streams are learned' }) },
    ],
    ['router_version', { '/version': json(200, { version: '0.0.1' }) }],
    [
      'publishers_not_live',
      {
        '/debug/publishers': page('publishers', {
          pod: 'engine-0',
          rank: 1,
          state: 'cold',
          why: 'no_replay',
        }),
      },
    ],
    ['pods_failing', { '/debug/pods': page('pods', { pod: 'engine-0', health: 'failing' }) }],
    [
      'unconfirmed',
      { '/debug/pods': page('pods', { pod: 'engine-0', health: 'healthy', confirmed: 30, unconfirmed: 20 }) },
    ],
  ];

  for (const [problem, pages] of FAULTS) {
    it(`finds ${problem}`, async () => {
      const admin = await FakeEngine.start({ ...WELL, ...pages });
      try {
        assert.deepEqual(
          problemsOf(await examined([], { base: new URL(`http://127.0.0.1:${admin.port}`) }), 'router'),
          [problem],
        );
      } finally {
        await admin.stop();
      }
    });
  }

  it('has a fault for each problem of the router', () => {
    assert.sameMembers(
      FAULTS.map(([problem]) => problem),
      Object.keys(ROUTER_PROBLEMS),
    );
  });

  it('finds nothing at a real one that is well', async () => {
    const { pod, stop } = await startIllEngine();
    const program = await startProgram({ pods: [pod], environment: WITH_EVENTS });
    try {
      const base = new URL(`http://127.0.0.1:${program.adminPort}`);
      await ready(base);
      const sections = await examined([pod], { base, why: 'asked_for' });
      assert.deepEqual(problemsOf(sections), []);
      assert.match(textReport(sections), /ok {4}publishers +1 are live/);
    } finally {
      await program.stop();
      await stop();
    }
  });

  it('skips it quietly where none runs, unless it was asked for', async () => {
    const [router] = (await examined([])).filter(({ kind }) => kind === 'router');
    assert.deepEqual(
      router!.findings.map(({ status }) => status),
      ['skip'],
    );
    assert.deepEqual(problemsOf(await examined([], { why: 'asked_for' }), 'router'), ['router_unreadable']);
  });

  it('skips pages that are for others', async () => {
    const admin = await FakeEngine.start({
      ...WELL,
      '/debug/pods': json(403, {}),
      '/debug/publishers': json(403, {}),
    });
    try {
      const sections = await examined([], { base: new URL(`http://127.0.0.1:${admin.port}`) });
      assert.deepEqual(problemsOf(sections, 'router'), []);
      assert.match(
        textReport(sections),
        /skip {2}pods_health +\/debug\/pods: it is answered 403; it is for clients on the router’s host/,
      );
    } finally {
      await admin.stop();
    }
  });
});

/** Its event streams are learned. */
async function ready(base: URL): Promise<void> {
  await eventually('the router is ready', async () => (await fetch(new URL('/readyz', base))).ok);
}
