/** `warmroute doctor` as its users run it, and what docs/doctor.md says of it. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import type { Environment } from '../../src/config.ts';
import { PROBLEMS } from '../../src/doctor/problems.ts';
import { type CliResult, runCli, startCli } from '../support/cli.ts';
import { closedAddress } from '../support/envoy-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { WITH_EVENTS } from '../support/fleet.ts';
import { HANGING, type IllEngine, refusing, startIllEngine } from '../support/ill-engine.ts';

describe('warmroute doctor', function () {
  this.timeout(60_000);
  let folder: string;
  let engine: IllEngine | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-doctor-'));
  });
  afterEach(async () => {
    await engine?.stop();
    engine = undefined;
  });
  after(() => rm(folder, { recursive: true }));

  async function environment(entry: object = {}): Promise<Environment> {
    const file = join(folder, 'pods.json');
    const { name, ip: address, port, model, kvEvents } = engine!.pod;
    const { kind: _, ...events } = kvEvents;
    await writeFile(
      file,
      JSON.stringify({ pods: [{ name, address, port, model, kvEvents: events, ...entry }] }),
    );
    return {
      ...WITH_EVENTS,
      WARMROUTE_PODS_FILE: file,
      WARMROUTE_ADMIN_ADDRESS: await closedAddress(),
      // Of a machine that has other things to do.
      WARMROUTE_DECISION_TIMEOUT_MS: '60000',
    };
  }

  const run = async (args: readonly string[], extra: Environment = {}, entry?: object): Promise<CliResult> =>
    runCli(['doctor', ...args], { ...(await environment(entry)), ...extra });

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
    const without = await runCli(['doctor']);
    assert.equal(without.code, 2);
    assert.match(without.stderr, /WARMROUTE_PODS_FILE is not set/);
    engine = await startIllEngine();
    for (const [args, extra, stderr] of [
      [[], { WARMROUTE_DRAIN_MS: 'soon' }, /WARMROUTE_DRAIN_MS=soon/],
      [['--pod', 'nobody'], {}, /no pod is called nobody: there are engine-0/],
      [['--envoy-config-dump', join(folder, 'none.json')], {}, /none\.json cannot be read/],
      [['--timeout', '0'], {}, /must be above 0/],
      [[], { WARMROUTE_ENGINE_API_KEY_FILE: join(folder, 'none') }, /WARMROUTE_ENGINE_API_KEY_FILE/],
    ] as const) {
      const result = await run(args, extra);
      assert.equal(result.code, 2, result.stdout);
      assert.match(result.stderr, stderr);
    }
  });

  it('says that no pod is known', async () => {
    const file = join(folder, 'empty.json');
    await writeFile(file, '{"pods":[]}');
    const { code, stderr } = await runCli(['doctor'], { WARMROUTE_PODS_FILE: file });
    assert.deepEqual([code, stderr], [2, 'warmroute: no pod is known\n']);
  });

  it('prints JSON with the fields that docs/doctor.md names', async () => {
    engine = await startIllEngine();
    const { code, stdout } = await run(['--json'], {}, { kvEvents: undefined });
    assert.equal(code, 0);
    const report = JSON.parse(stdout);
    assert.hasAllKeys(report, ['verdict', 'counts', 'sections']);
    assert.equal(report.verdict, 'ok');
    assert.hasAllKeys(report.counts, ['ok', 'warn', 'fail', 'skip']);
    const pod = report.sections.find(({ kind }: { kind: string }) => kind === 'pod');
    assert.hasAllKeys(pod, ['kind', 'name', 'detail', 'findings']);
    const warned = pod.findings.find(({ status }: { status: string }) => status === 'warn');
    assert.hasAllKeys(warned, ['status', 'check', 'problem', 'saw', 'do']);
    assert.equal(warned.problem, 'events_unconfigured');
  });

  it('sends no prompt where it is told so, and two that cost a token each where it is not', async () => {
    engine = await startIllEngine();
    const generated = () =>
      engine!.asked.filter(({ method, path }) => method === 'POST' && /completions$/.test(path));
    await run(['--no-completion']);
    assert.lengthOf(generated(), 0);
    await run([]);
    assert.deepEqual(
      generated().map(({ body }) => JSON.parse(body).max_tokens),
      [1, 1],
    );
  });

  it('never prints the engines’ key', async () => {
    const key = 'sk-very-secret-0123456789';
    const keyFile = join(folder, 'key');
    await writeFile(keyFile, key);
    // It repeats what it was sent, as engines do in errors.
    engine = await startIllEngine({
      '/v1/completions': ({ headers }, response) =>
        response.writeHead(400).end(`bad key ${headers.authorization}`),
    });
    const args = { WARMROUTE_ENGINE_API_KEY_FILE: keyFile };
    const [text, asJson] = [await run([], args), await run(['--json'], args)];
    assert.include(
      engine.asked.map(({ headers }) => headers.authorization),
      `Bearer ${key}`,
    );
    for (const { stdout, stderr } of [text, asJson]) assert.notInclude(stdout + stderr, 'very-secret');
    assert.match(text.stdout, /prompt_refused/);
  });

  it('does not follow events where they are not synced, or engines dial', async () => {
    engine = await startIllEngine();
    for (const [extra, why] of [
      [{ AIBRIX_KV_EVENT_SYNC_ENABLED: 'false' }, /skip {2}events_port +KV-cache events are not synced/],
      [{ WARMROUTE_KV_EVENTS_BIND: 'tcp://127.0.0.1:1' }, /skip {2}events_port +engines dial the router/],
      [
        { AIBRIX_USE_REMOTE_TOKENIZER: 'false', AIBRIX_KV_EVENT_SYNC_ENABLED: 'false' },
        /skip {2}tokens +prompts are tokenized locally/,
      ],
    ] as const) {
      const { code, stdout } = await run([], extra);
      assert.equal(code, 0, stdout);
      assert.match(stdout, why);
    }
  });

  it('is done when its time is over, whatever an engine does', async () => {
    engine = await startIllEngine({ '/health': HANGING });
    const { code, stdout } = await run(['--timeout', '1']);
    assert.equal(code, 1);
    assert.match(stdout, /fail {2}not_examined/);
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
