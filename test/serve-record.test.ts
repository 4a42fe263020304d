/** What is recorded through the whole server, by the settings WARMROUTE_RECORD_*, and what `warmroute simulate` makes of it. */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { assert } from 'chai';
import { Command } from 'commander';
import { addSimulateCommand } from '../src/commands/simulate.ts';
import type { Environment } from '../src/config.ts';
import type { LogLine } from './support/builders.ts';
import { requestBody, requestHeaders, responseBody, responseHeaders } from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import type { FakeEnvoy } from './support/fake-envoy.ts';
import { answerBytes } from './support/fake-tokenizer.ts';
import {
  adminPage,
  askDirectly,
  decisionOn,
  hears,
  MODEL,
  PROMPT,
  REMOTE,
  routed,
  routedTo,
  ServeBench,
  type Served,
  WITH_EVENTS,
} from './support/serve-bench.ts';
import { samplesOf } from './support/telemetry.ts';

/** Tokens of the fake engines are the prompt's bytes. */
const text = (length: number, seed = 'a') =>
  Array.from({ length }, (_, i) => `${seed}${i} `)
    .join('')
    .slice(0, length);

describe('serve() and a recording', function () {
  this.timeout(20_000);
  let bench: ServeBench;
  let file: string;

  beforeEach(async () => {
    bench = await ServeBench.open();
    file = bench.path('recording.jsonl');
    await bench.startTokenizers(2, request =>
      answerBytes({ ...request, text: request.text && JSON.parse(request.text).prompt }),
    );
  });
  afterEach(() => bench.stop());

  const start = (environment: Environment = {}): Promise<Served> =>
    bench.start({
      ...REMOTE,
      WARMROUTE_RECORD_FILE: file,
      WARMROUTE_HEALTH_INTERVAL_MS: '0',
      ...environment,
    });

  const linesOf = async (path = file): Promise<Readonly<Record<string, unknown>>[]> =>
    (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));

  /** One completion to its end, as Envoy shows it. */
  async function answered(envoy: FakeEnvoy, prompt: string, answer: object): Promise<void> {
    const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
    await stream.reply();
    await stream.send(requestBody(JSON.stringify({ model: MODEL, prompt }), 'end')).reply();
    const { mode_override } = await stream.send(responseHeaders()).reply();
    if (mode_override?.response_body_mode === 'STREAMED')
      await stream.send(responseBody(JSON.stringify(answer), 'end')).reply();
    await stream.halfClose();
  }

  it('WARMROUTE_RECORD_FILE has a line a request: Mooncake’s fields, the decision, and what came of it', async () => {
    const { envoy, server } = await start({ WARMROUTE_ANSWER_SAMPLE_PERCENT: '100' });
    const prompt = text(1_200);
    const usage = {
      ...{ prompt_tokens: 1_201, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 1_024 } },
    };
    await routed(envoy, prompt);
    await answered(envoy, prompt, { usage });
    await routedTo(envoy, '/v1/embeddings', { input: 'x' });
    const unknown = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
    await unknown.reply();
    await unknown
      .send(requestBody(JSON.stringify({ model: 'what-a-client-makes-up', prompt }), 'end'))
      .reply();
    await unknown.halfClose();
    await server.stop();

    const lines = await linesOf();
    assert.lengthOf(lines, 4);
    const [cold, warm, embedding, rejected] = lines as [Line, Line, Line, Line];
    assert.deepInclude(cold, {
      ...{ timestamp: 0, input_length: 1_200, block_tokens: 512, token_space: 'engine' },
      ...{ path: '/v1/completions', outcome: 'routed', model: MODEL, strategy: 'prefix-cache' },
      ...{ reason: 'no_match', arm: 'routed', matched_tokens: 0, predicted_tokens: 0 },
    });
    assert.lengthOf(cold.hash_ids as number[], 3);
    assert.notProperty(cold, 'status', 'the answer was not shown');
    assert.notProperty(cold, 'output_length');
    assert.deepEqual(warm.hash_ids, cold.hash_ids);
    assert.deepInclude(warm, {
      ...{ reason: 'prefix_match', pod: cold.pod, served_by: cold.pod, status: 200, output_length: 7 },
      ...{ matched_tokens: 1_200, predicted_tokens: 1_199, off_gpu_tokens: 0, engine_block_tokens: 1 },
      ...{ prompt_tokens: 1_201, cached_tokens: 1_024 },
    });
    for (const name of ['decision_ms', 'answered_ms', 'first_byte_ms', 'took_ms'])
      assert.isAtLeast(warm[name] as number, 0, name);
    assert.isAtLeast(warm.took_ms as number, warm.answered_ms as number);
    assert.deepInclude(embedding, { path: '/v1/embeddings', outcome: 'routed', reason: 'no_prompt' });
    assert.notProperty(embedding, 'hash_ids');
    assert.deepInclude(rejected, { outcome: 'rejected', error: 'unknown_model' });
    assert.notInclude(JSON.stringify(lines), 'makes-up');
    const times = lines.map(({ timestamp }) => timestamp as number);
    assert.deepEqual(
      times,
      times.toSorted((one, other) => one - other),
    );
    assert.approximately(Number(cold.began), Date.now(), 60_000);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  it('writes while it runs, what is over, and counts it', async () => {
    const { envoy, server } = await start();
    await routed(envoy);
    await eventually('the line is there', async () => (await readFile(file, 'utf8').catch(() => '')) !== '');
    const { text: metrics } = await adminPage(server, '/metrics');
    assert.deepEqual(samplesOf('warmroute_recorded_lines_total', metrics), [
      'warmroute_recorded_lines_total 1',
    ]);
    assert.deepEqual(samplesOf('warmroute_record_lines_dropped_total', metrics), [
      'warmroute_record_lines_dropped_total 0',
    ]);
  });

  it('WARMROUTE_RECORD_BLOCK_TOKENS is what an id stands for: equal ids are equal beginnings', async () => {
    const { envoy, server } = await start({ WARMROUTE_RECORD_BLOCK_TOKENS: '100' });
    const common = text(350);
    for (const end of ['one', 'other', 'one']) await routed(envoy, `${common}${end.padEnd(100)}`);
    await server.stop();
    const [one, other, again] = (await linesOf()).map(({ hash_ids }) => hash_ids as number[]);
    assert.lengthOf(one!, 5);
    assert.deepEqual(one!.slice(0, 3), other!.slice(0, 3));
    assert.notEqual(one![3], other![3]);
    assert.notEqual(one![4], other![4]);
    assert.deepEqual(again, one);
  });

  it('has the same ids whoever is picked, in the blocks that the engines announce, or in others', async () => {
    const engines = await bench.startEngines(2);
    await bench.writePods(engines);
    for (const blockTokens of ['16', '24', '512']) {
      const served = await start({ ...WITH_EVENTS, WARMROUTE_RECORD_BLOCK_TOKENS: blockTokens });
      await hears(served, engines);
      await askDirectly(engines[0]!);
      await eventually('it is held', async () => (await routed(served.envoy)).matchedBlocks > 0);
      await decisionOn(
        served.envoy,
        '/v1/completions',
        { prompt: PROMPT },
        { 'routing-strategy': 'least-request,prefix-cache' },
      );
      await served.server.stop();
      const lines = await linesOf();
      assert.isAtLeast(lines.length, 2);
      assert.lengthOf(new Set(lines.map(({ hash_ids }) => JSON.stringify(hash_ids))), 1);
      const { input_length, hash_ids, engine_block_tokens, matched_tokens } = lines.at(-2)!;
      assert.equal(engine_block_tokens, 16);
      assert.equal(matched_tokens, 16 * Math.floor((input_length as number) / 16));
      assert.lengthOf(hash_ids as number[], Math.ceil((input_length as number) / Number(blockTokens)));
    }
  });

  it('has every one of many requests at a time, in order', async () => {
    const { envoy, server } = await start();
    await Promise.all(Array.from({ length: 60 }, (_, i) => routed(envoy, `${i} ${text(600)}`)));
    await server.stop();
    const lines = await linesOf();
    assert.lengthOf(lines, 60);
    const times = lines.map(({ timestamp }) => timestamp as number);
    assert.deepEqual(
      times,
      times.toSorted((one, other) => one - other),
    );
    assert.lengthOf(new Set(lines.map(({ hash_ids }) => JSON.stringify(hash_ids))), 60);
    assert.isTrue(lines.every(({ took_ms }) => (took_ms as number) > 0));
  });

  it('WARMROUTE_RECORD_MAX_BYTES and WARMROUTE_RECORD_FILES bound it; each file has ids and times of its own', async () => {
    const { envoy, server } = await start({
      ...{ WARMROUTE_RECORD_MAX_BYTES: '65536', WARMROUTE_RECORD_FILES: '3' },
      WARMROUTE_RECORD_BLOCK_TOKENS: '1',
    });
    // Some 17 bytes a token: three lines a file.
    for (let i = 0; i < 11; i++) await routed(envoy, text(1_000));
    await server.stop();
    const names = ['recording.jsonl', 'recording.jsonl.1', 'recording.jsonl.2'];
    assert.deepEqual(
      (await readdir(bench.path('.'))).filter(name => name.startsWith('recording')).sort(),
      names,
    );
    const ids = new Set<unknown>();
    for (const name of names) {
      assert.isAtMost((await stat(bench.path(name))).size, 65_536);
      const lines = await linesOf(bench.path(name));
      assert.equal(lines[0]!.timestamp, 0);
      assert.lengthOf(new Set(lines.map(({ hash_ids }) => JSON.stringify(hash_ids))), 1);
      ids.add((lines[0]!.hash_ids as number[])[0]);
    }
    assert.lengthOf([...ids], 3);
  });

  it('leaves what an earlier process has recorded as the file before', async () => {
    for (let i = 0; i < 2; i++) {
      const { envoy, server } = await start();
      await routed(envoy);
      await server.stop();
    }
    const [now, before] = [await linesOf(), await linesOf(`${file}.1`)];
    assert.notDeepEqual(now[0]!.hash_ids, before[0]!.hash_ids, 'the same prompt');
  });

  it('serves where nothing can be written, says so once, and writes when it can be', async () => {
    const folder = bench.path('later');
    file = `${folder}/recording.jsonl`;
    const { envoy, server, lines } = await start();
    const said = (what: RegExp) => lines.filter(({ message }) => what.test(message));
    await routed(envoy);
    await eventually('it is said', () => said(/recording cannot be written/).length > 0);
    assert.equal((await routed(envoy)).reason, 'prefix_match');
    await mkdir(folder);
    await eventually('it is written', () => said(/recording is written again/).length > 0);
    assert.lengthOf(said(/recording cannot be written/), 1);
    assert.lengthOf(await linesOf(), 2);
    await server.stop();
  });

  it('writes into no folder, link or pipe that stands in its place', async () => {
    await mkdir(file);
    const { envoy, server, lines } = await start();
    await routed(envoy);
    await eventually('it is said', () =>
      lines.some(({ message }) => message.includes('recording cannot be written')),
    );
    await server.stop();
    assert.isEmpty(await readdir(file));
    const [{ fields }] = lines.filter(({ level }) => level === 'warn') as [LogLine];
    assert.match((fields.err as Error).message, /is no regular file/);
  });

  it('is played by simulate: one cache for all has what prompts have in common', async () => {
    const { envoy, server } = await start({ WARMROUTE_RECORD_BLOCK_TOKENS: '16' });
    const system = text(1_000);
    for (const own of ['a', 'b', 'a']) {
      await routed(envoy, `${system}${text(200, own)}`);
      await nextMillisecond();
    }
    await routedTo(envoy, '/v1/embeddings', { input: 'x' });
    await server.stop();
    for (const [pods, size] of [
      [1, 16],
      [3, 16],
      [1, 64],
    ] as const) {
      const flags = ['--pods', String(pods), '--block-size', String(size), '--load', '0.001'];
      const { runs } = JSON.parse(await outputOf([file, ...flags, '--policies', 'prefix-cache', '--json']));
      // The blocks of what is common that are whole in both sizes, and then all but the last token's.
      const cachedTokens =
        size * Math.floor((16 * Math.floor(1_000 / 16)) / size) + size * Math.floor(1_199 / size);
      assert.deepInclude(runs[0], { requests: 3, promptTokens: 3_600, cachedTokens, hitRateOfReachable: 1 });
    }
  });

  it('is played across its files, as far apart as they were written', async () => {
    for (let i = 0; i < 2; i++) {
      const { envoy, server } = await start();
      await routed(envoy, text(2_000));
      await routed(envoy, text(2_000));
      await server.stop();
    }
    const [newer, older] = [(await linesOf())[0]!, (await linesOf(`${file}.1`))[0]!];
    assert.isAbove(newer.began as number, older.began as number);
    const { runs } = JSON.parse(
      await outputOf([
        file,
        `${file}.1`,
        '--load',
        '0.001',
        '--model',
        MODEL,
        '--policies',
        'random',
        '--json',
      ]),
    );
    assert.equal(runs[0].requests, 4);
    assert.isAbove(runs[0].endMs, 1_000 * ((newer.began as number) - (older.began as number)));
  });

  it('is nothing where none is asked for', async () => {
    const { envoy, server } = await bench.start({ ...REMOTE });
    await routed(envoy);
    const { text: metrics } = await adminPage(server, '/metrics');
    await server.stop();
    assert.notInclude((await readdir(bench.path('.'))).join(), 'recording');
    assert.isEmpty(samplesOf('warmroute_recorded_lines_total', metrics));
  });
});

/** Recorded times are whole milliseconds: of requests within one nothing is told apart. */
function nextMillisecond(): Promise<unknown> {
  const until = performance.now() + 2;
  return eventually('time passes', () => performance.now() > until);
}

type Line = Readonly<Record<string, unknown>>;

async function outputOf(args: readonly string[]): Promise<string> {
  let printed = '';
  const program = new Command().exitOverride();
  addSimulateCommand(
    program,
    new AbortController().signal,
    text => {
      printed += text;
    },
    () => {},
  );
  await program.parseAsync(['node', 'warmroute', 'simulate', ...args]);
  return printed;
}
