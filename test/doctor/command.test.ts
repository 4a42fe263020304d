/** `warmroute doctor` as its users run it, and what docs/doctor.md says of it. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { type DoctorOptions, NothingToExamine, runDoctor } from '../../src/composition/doctoring.ts';
import type { Environment } from '../../src/config.ts';
import { DEFAULT_TIMING } from '../../src/doctor/pods/examine-pod.ts';
import { PROBLEMS } from '../../src/doctor/problems.ts';
import { countsOf, jsonReport, textReport } from '../../src/doctor/report.ts';
import { aConfig } from '../support/builders.ts';
import { type CliResult, runCli, startCli } from '../support/cli.ts';
import { closedAddress } from '../support/envoy-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { WITH_EVENTS } from '../support/fleet.ts';
import { HANGING, type IllEngine, refusing, startIllEngine } from '../support/ill-engine.ts';
import { kubeconfigText } from '../support/kube-access.ts';

let folder: string;
/** The one that a test has started. */
let engine: IllEngine | undefined;

function hasFolderAndEngine(): void {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-doctor-'));
  });
  afterEach(async () => {
    await engine?.stop();
    engine = undefined;
  });
  after(() => rm(folder, { recursive: true }));
}

describe('warmroute doctor', function () {
  this.timeout(60_000);
  hasFolderAndEngine();

  async function environment(): Promise<Environment> {
    const file = join(folder, 'pods.json');
    await writeFile(file, JSON.stringify({ pods: [entryOf(engine!)] }));
    return {
      ...WITH_EVENTS,
      WARMROUTE_PODS_FILE: file,
      WARMROUTE_ADMIN_ADDRESS: await closedAddress(),
      // Of a machine that has other things to do.
      WARMROUTE_DECISION_TIMEOUT_MS: '60000',
    };
  }

  const run = async (args: readonly string[], extra: Environment = {}): Promise<CliResult> =>
    runCli(['doctor', ...args], { ...(await environment()), ...extra });

  it('ends with 0 where nothing fails: a line for each finding, by pod, and a summary', async () => {
    engine = await startIllEngine();
    const { code, stdout, stderr } = await run([]);
    assert.deepEqual([code, stderr], [0, ''], stdout);
    assert.match(stdout, /^pod engine-0 \(127\.0\.0\.1:\d+, sim-model\)\n {2}ok {4}http /m);
    assert.match(stdout, /^ {2}ok {4}parity +\/v1\/completions: the \d+ blocks/m);
    assert.match(stdout, /^ {2}skip {2}envoy +not looked at: give its admin port/m);
    assert.match(stdout, /^ {2}skip {2}router +no router runs at the configured admin address/m);
    assert.match(stdout, /\n\n\d+ ok, 0 warn, 0 fail, 2 skip$/);
  });

  it('ends with 1 where something fails, and says below what to do', async () => {
    engine = await startIllEngine({ '/health': refusing(503) });
    const { code, stdout, stderr } = await run([]);
    assert.deepEqual([code, stderr], [1, '']);
    assert.match(stdout, /^ {2}fail {2}unhealthy +GET \/health: 503\n {8}restart the engine/m);
  });

  it('ends with 2 where there is nothing to look at', async () => {
    engine = await startIllEngine();
    const cases = [
      [[], { WARMROUTE_PODS_FILE: '' }, /WARMROUTE_PODS_FILE is not set/],
      [['--pod', 'nobody'], {}, /no pod is called nobody: there are engine-0/],
      [['--envoy-config-dump', join(folder, 'none.json')], {}, /none\.json cannot be read/],
    ] as const;
    await Promise.all(
      cases.map(async ([args, extra, expected]) => {
        const { code, stdout, stderr } = await run(args, extra);
        assert.equal(code, 2, stdout);
        assert.match(stderr, expected);
      }),
    );
  });

  it('ends at a signal', async () => {
    engine = await startIllEngine({ '/health': HANGING });
    const cli = startCli(['doctor'], await environment());
    await eventually('it is asked', () => engine!.asked.length > 0);
    cli.kill('SIGTERM');
    const { code, stderr, stdout } = await cli.ended;
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /ended by SIGTERM before it was done/);
  });
});

describe('What warmroute doctor looks at', function () {
  this.timeout(60_000);
  hasFolderAndEngine();

  async function looked(
    environment: Environment = {},
    options: Partial<DoctorOptions> = {},
    entry: object = {},
    kubernetes: Environment = {},
  ) {
    const file = join(folder, 'pods.json');
    await writeFile(
      file,
      JSON.stringify({ pods: engine === undefined ? [] : [{ ...entryOf(engine), ...entry }] }),
    );
    const config = aConfig({
      ...{ ...WITH_EVENTS, WARMROUTE_PODS_FILE: file, WARMROUTE_DECISION_TIMEOUT_MS: '60000' },
      ...{ WARMROUTE_ADMIN_ADDRESS: await closedAddress(), ...environment },
    });
    return runDoctor(
      config,
      { only: [], envoy: undefined, admin: undefined, prompts: 'send', timeoutMs: 60_000, ...options },
      { environment: kubernetes, ending: new AbortController().signal },
    );
  }

  it('is nothing where no pod is known, or the engines’ key cannot be read', async () => {
    const rejected = (environment: Environment) => looked(environment).catch((error: unknown) => error);
    assert.instanceOf(await rejected({}), NothingToExamine);
    engine = await startIllEngine();
    assert.instanceOf(
      await rejected({ WARMROUTE_ENGINE_API_KEY_FILE: join(folder, 'none') }),
      NothingToExamine,
    );
  });

  it('is told as JSON with the fields that docs/doctor.md names', async () => {
    engine = await startIllEngine();
    const report = JSON.parse(jsonReport(await looked({}, {}, { kvEvents: undefined, zone: 'eu-1a' })));
    assert.hasAllKeys(report, ['verdict', 'counts', 'sections']);
    assert.equal(report.verdict, 'ok');
    assert.hasAllKeys(report.counts, ['ok', 'warn', 'fail', 'skip']);
    const pod = report.sections.find(({ kind }: { kind: string }) => kind === 'pod');
    assert.hasAllKeys(pod, ['kind', 'name', 'detail', 'findings']);
    assert.match(pod.detail, /, zone eu-1a$/);
    const warned = pod.findings.find(({ status }: { status: string }) => status === 'warn');
    assert.hasAllKeys(warned, ['status', 'check', 'problem', 'saw', 'do']);
    assert.equal(warned.problem, 'events_unconfigured');
  });

  it('names pods that have no address', async () => {
    engine = await startIllEngine();
    const file = join(folder, 'named.json');
    const away = { name: 'engine-1', address: 'engine-1.invalid', port: 8000, model: 'sim-model' };
    await writeFile(file, JSON.stringify({ pods: [entryOf(engine), away] }));
    const text = textReport(await looked({ WARMROUTE_PODS_FILE: file }));
    assert.match(text, /warn {2}discovery_problem +the host name engine-1\.invalid does not resolve/);
  });

  it('is what is known of pods, while Kubernetes does not answer', async () => {
    engine = await startIllEngine();
    const KUBECONFIG = join(folder, 'kubeconfig');
    await writeFile(KUBECONFIG, kubeconfigText({ server: `http://${await closedAddress()}` }));
    const sections = await looked(
      { WARMROUTE_DISCOVERY: 'file,kubernetes' },
      { timeoutMs: 3_000 },
      {},
      { KUBECONFIG },
    );
    assert.match(textReport(sections), /fail {2}discovery_incomplete/);
  });

  it('is the cache of a prompt where that may be sent', async () => {
    engine = await startIllEngine();
    const { asked } = engine;
    const generated = () =>
      asked.filter(({ method, path }) => method === 'POST' && /completions$/.test(path));
    // What the engine publishes by itself is nothing: it is not waited for.
    await looked({}, { prompts: 'leave_out', timing: { ...DEFAULT_TIMING, eventsMs: 1 } });
    assert.lengthOf(generated(), 0);
    await looked();
    assert.deepEqual(
      generated().map(({ body }) => JSON.parse(body).max_tokens),
      [1, 1],
    );
  });

  it('is never shown with the engines’ key', async () => {
    const key = 'sk-very-secret-0123456789';
    const keyFile = join(folder, 'key');
    await writeFile(keyFile, key);
    // It repeats what it was sent, as engines do in errors.
    engine = await startIllEngine({
      '/v1/completions': ({ headers }, response) =>
        response.writeHead(400).end(`bad key ${headers.authorization}`),
    });
    const sections = await looked({ WARMROUTE_ENGINE_API_KEY_FILE: keyFile });
    assert.include(
      engine.asked.map(({ headers }) => headers.authorization),
      `Bearer ${key}`,
    );
    for (const report of [textReport(sections), jsonReport(sections)]) {
      assert.notInclude(report, 'very-secret');
      assert.include(report, 'bad key Bearer ***');
    }
  });

  it('is not events that are not synced, or that engines send by themselves', async () => {
    engine = await startIllEngine();
    for (const [extra, why] of [
      [{ AIBRIX_KV_EVENT_SYNC_ENABLED: 'false' }, /skip {2}events_port +KV-cache events are not synced/],
      [{ WARMROUTE_KV_EVENTS_BIND: 'tcp://127.0.0.1:1' }, /skip {2}events_port +engines dial the router/],
      [
        { AIBRIX_USE_REMOTE_TOKENIZER: 'false', AIBRIX_KV_EVENT_SYNC_ENABLED: 'false' },
        /skip {2}tokens +prompts are tokenized locally/,
      ],
    ] as const) {
      const sections = await looked(extra);
      assert.match(textReport(sections), why);
      assert.include(countsOf(sections), { warn: 0, fail: 0 });
    }
  });

  it('is said not to have been looked at when the time is over', async () => {
    engine = await startIllEngine({ '/health': HANGING });
    const text = textReport(await looked({}, { timeoutMs: 300 }));
    assert.match(text, /fail {2}not_examined/);
  });

  it('is Envoy, by what is expected of it', async () => {
    engine = await startIllEngine();
    const envoy = { kind: 'dump', name: 'envoy.json', content: '{}' } as const;
    assert.match(
      textReport(await looked({}, { envoy })),
      /^Envoy envoy\.json\n {2}fail {2}envoy_unreadable/m,
    );
  });
});

/** Its entry of a pods file. */
function entryOf({ pod: { name, ip: address, port, model, kvEvents } }: IllEngine): object {
  const { kind: _, ...events } = kvEvents;
  return { name, address, port, model, kvEvents: events };
}

describe('docs/doctor.md', () => {
  const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8');

  it('has a row for each problem, and no others', () => {
    const rows = Array.from(page.matchAll(/^\| `(\w+)` \| (warn|fail) \|/gm), ([, name, status]) => [
      name,
      status,
    ]);
    const all = Object.values(PROBLEMS).flatMap(group =>
      Object.entries(group).map(([name, { status }]) => [name, status]),
    );
    assert.deepEqual(rows, all);
  });
});
