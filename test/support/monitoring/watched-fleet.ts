/**
 * A fleet in which everything happens that a metric counts: two routers, simulated engines behind a real Envoy, and what goes wrong in
 * the field. One router has pods from a file, the other one from a (fake) Kubernetes API, and TLS.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { type RunningEnvoy, renderBootstrap, startEnvoy } from '../../../demo/envoy.ts';
import { type SimulatedEngine, startEngine } from '../../../src/simulator/engine.ts';
import { answerByteTokens, writeByteTokenizer } from '../byte-tokenizer.ts';
import { createAuthority } from '../certificates.ts';
import { envoyFile, envoyForTests } from '../envoy.ts';
import { requestBody, requestHeaders, responseHeaders } from '../envoy-messages.ts';
import { FakeEngine } from '../fake-engine.ts';
import type { FakeEnvoy } from '../fake-envoy.ts';
import { FakePublisher } from '../fake-publisher.ts';
import { json } from '../fake-tokenizer.ts';
import { freePort } from '../free-port.ts';
import { BY_LABEL, KubeBench } from '../kube-bench.ts';
import { batchOf, storedMap } from '../kv-events.ts';
import { createLlmClient, type LlmClient } from '../llm-client.ts';
import { MODEL, PROMPT, type Served, WITH_EVENTS } from '../serve-bench.ts';
import type { Target } from './prometheus.ts';

const LOST_MODEL = 'lost-model';
/** A session that comes last in any rollout. */
const LEFT_OUT = 'session-12';
/** Its engine tokenizes nothing. */
const MUTE_MODEL = 'mute-model';
/** Its tokenizer files are there; its engines render chats by another template than is in them. */
const BYTES_MODEL = 'bytes-model';

/** Such bodies are known when they come again. */
const LONG_TURN = 'x'.repeat(9_000);

export class WatchedFleet {
  readonly targets: readonly Target[];
  readonly #cluster: KubeBench;
  readonly #parts: Parts;
  #round = 0;

  private constructor(cluster: KubeBench, parts: Parts) {
    this.#cluster = cluster;
    this.#parts = parts;
    this.targets = [
      { job: 'warmroute', address: `127.0.0.1:${parts.ofFile.server.adminPort}` },
      { job: 'warmroute', address: `127.0.0.1:${parts.ofCluster.server.adminPort}` },
      { job: 'envoy', address: `127.0.0.1:${parts.envoy.adminPort}`, path: '/stats/prometheus' },
    ];
  }

  static async start(): Promise<WatchedFleet> {
    const cluster = await KubeBench.open();
    try {
      return new WatchedFleet(cluster, await startParts(cluster));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }

  /** A little traffic, and each fault once or one more time. */
  async round(): Promise<void> {
    this.#round++;
    await this.#askThroughEnvoy();
    await this.#askStrangely(this.#parts.ofFile.envoy);
    await this.#publishBadly();
    await this.#breakWhatIsAround();
  }

  /** A conversation through Envoy; some of it is warm, and some of it in a strategy of its own. */
  async #askThroughEnvoy(): Promise<void> {
    const { client } = this.#parts;
    const ask = (prompt: string, headers = {}) =>
      client.post('/v1/completions', { model: MODEL, prompt, max_tokens: 4 }, headers).catch(() => undefined);
    for (let turn = 0; turn < 3; turn++) await ask(`${this.#round} ${PROMPT}`.repeat(turn + 1));
    await ask(PROMPT);
    await client
      .post('/v1/completions', { model: MODEL, prompt: PROMPT, max_tokens: 4, stream: true })
      .catch(() => undefined);
    await ask(PROMPT, { 'routing-strategy': 'least-utilization' });
    await ask(`${this.#round} ${PROMPT}`, { 'routing-strategy': 'random' });
    await ask(PROMPT, { 'x-aibrix-session-key': LEFT_OUT });
    await client
      .post('/v1/completions', { model: 'nobody', prompt: PROMPT }, { 'x-aibrix-session-key': LEFT_OUT })
      .catch(() => undefined);
    const turns = Array.from({ length: 1 + (this.#round % 3) }, () => ({ role: 'user', content: LONG_TURN }));
    await client
      .post('/v1/chat/completions', { model: MODEL, messages: turns, max_tokens: 4 })
      .catch(() => undefined);
    await client.get('/v1/models').catch(() => undefined);
  }

  /** What only a scripted Envoy says. */
  async #askStrangely(envoy: FakeEnvoy): Promise<void> {
    await exchange(envoy, { prompt: PROMPT, extra_key: 'mine' });
    for (const model of [LOST_MODEL, MUTE_MODEL]) await exchange(envoy, { prompt: PROMPT, model });
    for (let i = 0; i < 3; i++) await exchange(envoy, { prompt: `${this.#round} ${i} ${PROMPT}` });
    for (let i = 0; i < 2; i++)
      await exchange(envoy, { prompt: `${this.#round} ${PROMPT}`, model: BYTES_MODEL });
    const bad = envoy.open().send(requestHeaders());
    await bad.reply();
    await bad.send(requestBody('{', 'end')).reply();
    await bad.halfClose();
    const unread = envoy.open().send(requestHeaders({ config: { request_body_mode: 'STREAMED' } }));
    await unread.reply();
    await unread.send(requestBody('{"mod')).reply();
    await unread.halfClose();
    const late = envoy.open().send(requestHeaders({ config: { request_body_mode: 'FULL_DUPLEX_STREAMED' } }));
    await late.send(requestBody(`{"model":"${MODEL}",`)).reply();
    await late.halfClose();
    const left = envoy.open().send(requestHeaders());
    await left.reply();
    await left.send(requestBody('{"mod')).reset();
  }

  /** Holes, duplicates, and messages of nobody. */
  async #publishBadly(): Promise<void> {
    const { publisher, stranger } = this.#parts;
    const sequence = BigInt(this.#round * 10);
    for (const each of [sequence, sequence + 5n, sequence + 5n, sequence + 2n])
      await publisher.publish(batchOf(storedMap()), { sequence: each });
    await stranger.publish(batchOf(storedMap()), { topic: 'kv@nobody@model' });
  }

  /** Its watches expire, and the next list fails. */
  #breakApiServer(): void {
    const { api } = this.#cluster;
    api.fault = ({ kind }) => {
      if (kind !== 'list') return undefined;
      api.fault = () => undefined;
      return { kind: 'status', code: 500 };
    };
    for (const watch of api.openWatches) watch.expire();
  }

  async #breakWhatIsAround(): Promise<void> {
    const { engines, ofFile, ofCluster, strangers, certify, restart } = this.#parts;
    const { bench } = this.#cluster;
    // Speaks TLS to a port of plain text, and more connections than are allowed.
    const hello = connect(ofFile.server.grpcPort, '127.0.0.1', () =>
      hello.write(Buffer.from('1603010200', 'hex')),
    );
    const callers = [hello, ...[1, 2, 3].map(() => connect(ofCluster.server.grpcPort, '127.0.0.1'))];
    for (const socket of callers) socket.on('error', () => {});
    strangers.push(...callers);
    // Seldom: each time the router waits longer before it asks again.
    if (this.#round % 12 === 4) this.#breakApiServer();
    // Files that never rest are never taken.
    if (this.#round % 8 === 2) await certify();
    if (this.#round % 8 === 0) await restart();
    // Who comes back is asked for what was missed.
    if (this.#round % 2 === 0) this.#cluster.delete(engines[1]!.name);
    else this.#cluster.put(engines[1]!);
    if (this.#round === 3) await writeFile(bench.podsFile, 'pods: [{}]');
  }
}

interface Parts {
  readonly engines: readonly SimulatedEngine[];
  readonly ofFile: Served;
  readonly ofCluster: Served;
  readonly envoy: RunningEnvoy;
  readonly client: LlmClient;
  readonly publisher: FakePublisher;
  readonly stranger: FakePublisher;
  /** Connections to the routers; closed at the end. */
  readonly strangers: Socket[];
  /** New TLS files for the second router. */
  certify(): Promise<void>;
  /** An engine is killed and comes again, with an empty cache. */
  restart(): Promise<void>;
}

async function startParts(cluster: KubeBench): Promise<Parts> {
  const { bench } = cluster;
  const engines = await bench.startEngines(3);
  const publisher = await FakePublisher.bind();
  bench.atEnd(() => publisher.close());
  const asleep = await FakeEngine.start({
    '/health': json(200, {}),
    '/is_sleeping': json(200, { is_sleeping: true }),
  });
  bench.atEnd(() => asleep.stop());
  const mute = await FakeEngine.start({ '/health': json(200, {}) });
  bench.atEnd(() => mute.stop());
  await writeByteTokenizer(bench.path('tokenizers'), BYTES_MODEL, { template: 'another one' });
  const ofBytes = await bench.startTokenizers(2, answerByteTokens());
  await bench.writePods(engines);
  const { pods } = JSON.parse(await readFile(bench.podsFile, 'utf8')) as { pods: object[] };
  const pod = (name: string, port: number, more = {}) => ({
    ...{ name, address: '127.0.0.1', port, model: MODEL },
    ...more,
  });
  pods.push(
    pod('scripted', await freePort(), { kvEvents: { port: publisher.port, replayPort: await freePort() } }),
    pod('asleep', asleep.port),
    pod('mute', mute.port, { model: MUTE_MODEL }),
    ...ofBytes.map(({ pod: { name, port } }) => pod(name, port, { model: BYTES_MODEL })),
    ...[
      pod('lost-0', await freePort(), { model: LOST_MODEL }),
      pod('lost-1', await freePort(), { model: LOST_MODEL }),
    ],
  );
  await writeFile(bench.podsFile, JSON.stringify({ pods }));

  const authority = await createAuthority();
  const certify = async () => {
    const { cert, key } = await authority.issue();
    await writeFile(bench.path('tls.key'), key);
    await writeFile(bench.path('tls.crt'), cert);
  };
  await certify();
  for (const engine of engines) cluster.put(engine);
  const ports = { bound: await freePort() };
  const ofCluster = await cluster.start({
    ...BY_LABEL,
    ...WITH_EVENTS,
    WARMROUTE_TLS: 'files',
    WARMROUTE_TLS_CERT_FILE: bench.path('tls.crt'),
    WARMROUTE_TLS_KEY_FILE: bench.path('tls.key'),
    WARMROUTE_GRPC_MAX_CONNECTIONS: '1',
    WARMROUTE_KV_EVENTS_BIND: `tcp://127.0.0.1:${ports.bound}`,
  });
  const stranger = FakePublisher.dial(ports.bound);
  bench.atEnd(() => stranger.close());

  const ofFile = await bench.start({
    ...WITH_EVENTS,
    WARMROUTE_HEALTH_INTERVAL_MS: '500',
    WARMROUTE_METRICS_INTERVAL_MS: '500',
    WARMROUTE_BODY_TIMEOUT_MS: '100',
    WARMROUTE_CONTROL_PERCENT: '50',
    WARMROUTE_ROLLOUT_PERCENT: '98',
    WARMROUTE_SHADOW_POLICY: 'random',
    WARMROUTE_ANSWER_SAMPLE_PERCENT: '100',
    WARMROUTE_RECORD_FILE: bench.path('recording'),
    WARMROUTE_TOKENIZER_DIR: bench.path('tokenizers'),
  });
  await publisher.joined();
  // Held, while no engine has said yet how fast it computes prompts.
  for (let i = 0; i < 8; i++) await exchange(ofFile.envoy, { prompt: PROMPT });
  const strangers: Socket[] = [];
  bench.atEnd(() => {
    for (const socket of strangers) socket.destroy();
  });
  const envoy = await startEnvoy({
    binary: await envoyForTests(),
    bootstrap: renderBootstrap(await readFile(envoyFile('warmroute.yaml'), 'utf8'), {
      routers: [`127.0.0.1:${ofFile.server.grpcPort}`],
      pods: engines.map(({ httpPort }) => `127.0.0.1:${httpPort}`),
    }),
  });
  bench.atEnd(() => envoy.stop());
  const client = createLlmClient(envoy.url, { 'x-warmroute-debug': '1' });
  bench.atEnd(() => client.close());
  let last = engines[2]!;
  const restart = async () => {
    const again = await restarted(last);
    last = again;
    bench.atEnd(() => again.stop());
  };
  return { engines, ofFile, ofCluster, envoy, client, publisher, stranger, strangers, certify, restart };
}

/** The same engine as a new process, on the same ports. */
async function restarted(engine: SimulatedEngine): Promise<SimulatedEngine> {
  const { name, httpPort, eventsPort, replayPort } = engine;
  await engine.kill();
  return startEngine({
    name,
    model: MODEL,
    httpPort,
    eventsPort: eventsPort!,
    replayPort: replayPort!,
  });
}

/** One request whose response Envoy shows, which is an error now and then. */
async function exchange(
  envoy: FakeEnvoy,
  { model = MODEL, ...body }: { model?: string; prompt: string; extra_key?: string },
): Promise<void> {
  const config = { request_body_mode: 'BUFFERED', response_body_mode: 'NONE' } as const;
  const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' }, config }));
  await stream.reply();
  const reply = await stream.send(requestBody(JSON.stringify({ model, ...body }), 'end')).reply();
  if (reply.request_body !== undefined) {
    stream.send(responseHeaders(model === MODEL ? 200 : 500));
    await stream.reply();
  }
  await stream.halfClose();
}
