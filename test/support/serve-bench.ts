/** `serve()` in this process with simulated engines, a pods file that can be rewritten, and a scripted Envoy. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import type { Environment } from '../../src/config.ts';
import { type RunningServer, type ServeParts, serve } from '../../src/serve.ts';
import { type SimulatedEngine, startEngine } from '../../src/simulator/engine.ts';
import { aConfig, type LogLine, recordingLog } from './builders.ts';
import { headersSet, requestBody, requestHeaders } from './envoy-messages.ts';
import { eventually } from './eventually.ts';
import { type DialledBy, FakeEnvoy } from './fake-envoy.ts';
import { type AnswerRequest, answerBytes, type FakeTokenizer, startFakeTokenizer } from './fake-tokenizer.ts';

export const MODEL = 'sim-model';
/** Several blocks in every mode. */
export const PROMPT = 'my diagnosis is private, and this is the long story of how it came about '.repeat(20);
export const REMOTE: Environment = { AIBRIX_USE_REMOTE_TOKENIZER: 'true' };
export const WITH_EVENTS: Environment = { ...REMOTE, AIBRIX_KV_EVENT_SYNC_ENABLED: 'true' };
const AS_FAST_AS_IT_GOES = {
  prefillTokensPerSecond: Number.POSITIVE_INFINITY,
  decodeTokensPerSecond: Number.POSITIVE_INFINITY,
  overheadMs: 0,
};

export interface Served {
  readonly server: RunningServer;
  readonly lines: readonly LogLine[];
  readonly envoy: FakeEnvoy;
}

/** What one test starts; `stop` ends all of it, last started first. */
export class ServeBench {
  readonly #folder: string;
  readonly #stops: (() => unknown)[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<ServeBench> {
    return new ServeBench(await mkdtemp(join(tmpdir(), 'warmroute-serve-')));
  }

  get podsFile(): string {
    return this.path('pods.json');
  }

  /** Of a file that goes when the test does. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  atEnd(stop: () => unknown): void {
    this.#stops.push(stop);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop();
    await rm(this.#folder, { recursive: true });
  }

  /**
   * Ports are free ones, nothing is drawn at random, nothing is waited for at the end, and matched blocks are told, unless `environment` says otherwise; lines are
   * kept, unless `parts` have a log of their own.
   */
  async start(
    environment: Environment = {},
    by?: DialledBy,
    parts: Partial<ServeParts> = {},
  ): Promise<Served> {
    const { log, lines } = recordingLog();
    const config = aConfig({
      WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0',
      WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:0',
      WARMROUTE_DRAIN_MS: '0',
      WARMROUTE_METRICS_INTERVAL_MS: '0',
      WARMROUTE_ANSWER_SAMPLE_PERCENT: '0',
      WARMROUTE_DEBUG_HEADERS: 'true',
      ...environment,
    });
    const readsFile = config.discovery === undefined || config.discovery.includes('file');
    const server = await serve(
      { ...config, ...(readsFile && { podsFile: this.podsFile }) },
      { log, environment, ...parts },
    );
    const envoy = new FakeEnvoy(server.grpcPort, by);
    this.atEnd(() => server.stop());
    this.atEnd(() => envoy.close());
    return { server, lines, envoy };
  }

  async startEngines(count: number): Promise<SimulatedEngine[]> {
    const engines: SimulatedEngine[] = [];
    for (let i = 0; i < count; i++) {
      const engine = await startEngine({ name: `engine-${i}`, model: MODEL, cost: AS_FAST_AS_IT_GOES });
      engines.push(engine);
      this.atEnd(() => engine.stop());
    }
    return engines;
  }

  /** Engines that do nothing but tokenize, as a test wants them to. Their pods are the ones in the pods file. */
  async startTokenizers(
    count: number,
    answer: AnswerRequest = answerBytes,
    tls?: Parameters<typeof startFakeTokenizer>[1],
  ): Promise<FakeTokenizer[]> {
    const fakes: FakeTokenizer[] = [];
    for (let i = 0; i < count; i++) {
      const fake = await startFakeTokenizer(`pod-${i}`, tls);
      fake.answer = answer;
      fakes.push(fake);
      this.atEnd(() => fake.stop());
    }
    const pods = fakes.map(({ pod }) => ({ name: pod.name, address: pod.ip, port: pod.port, model: MODEL }));
    await writeFile(this.podsFile, JSON.stringify({ pods }));
    return fakes;
  }

  writePods(engines: readonly SimulatedEngine[]): Promise<void> {
    const pods = engines.map(({ name, httpPort, eventsPort, replayPort }) => {
      return {
        name,
        address: '127.0.0.1',
        port: httpPort,
        model: MODEL,
        kvEvents: { port: eventsPort, replayPort },
      };
    });
    return writeFile(this.podsFile, JSON.stringify({ pods }));
  }
}

/** One completion as Envoy shows it, from its headers to its end. */
export function routed(envoy: FakeEnvoy, prompt = PROMPT) {
  return routedTo(envoy, '/v1/completions', { prompt });
}

/** One request of any kind. */
export async function routedTo(envoy: FakeEnvoy, path: string, body: object) {
  const { target, reason, matchedBlocks } = await decisionOn(envoy, path, body);
  return { target, reason, matchedBlocks };
}

/** The same, with the data-parallel rank, and what a client could forge. */
export async function decisionOn(
  envoy: FakeEnvoy,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
) {
  const stream = envoy.open().send(requestHeaders({ headers: { ':path': path, ...headers } }));
  const first = await stream.reply();
  stream.send(requestBody(JSON.stringify({ model: MODEL, ...body }), 'end'));
  const reply = await stream.reply();
  await stream.halfClose();
  const set = headersSet(reply.request_body?.response?.header_mutation);
  const header = (name: string) => set.get(name);
  const fields = (reply.dynamic_metadata?.fields?.warmroute as Metadata | undefined)?.structValue.fields;
  return {
    target: header('target-pod'),
    rank: header('x-data-parallel-rank'),
    removed: first.request_headers?.response?.header_mutation?.remove_headers ?? [],
    reason: fields?.decision?.stringValue,
    matchedBlocks: fields?.matched_blocks?.numberValue ?? 0,
  };
}

export async function adminPage(
  server: RunningServer,
  path: string,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${server.adminPort}${path}`);
  return { status: response.status, text: await response.text() };
}

export const addressOf = ({ httpPort }: SimulatedEngine) => `127.0.0.1:${httpPort}`;

/** Subscriptions start in the background: an engine announces an empty cache until it is heard. */
export async function hears({ server }: Served, engines: readonly SimulatedEngine[]): Promise<void> {
  for (const engine of engines) {
    await eventually(`${engine.name} is heard`, async () => {
      engine.resetCache();
      engine.publishPending();
      const { text } = await adminPage(server, '/metrics');
      return text.includes(`warmroute_kv_events_total{pod="${engine.name}",outcome="cleared"}`);
    });
  }
}

/** A request that the engine gets from elsewhere: only its events tell of it. */
export async function askDirectly(engine: SimulatedEngine): Promise<void> {
  const response = await fetch(`${engine.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, prompt: PROMPT, max_tokens: 1 }),
  });
  assert.equal(response.status, 200, await response.text());
  engine.publishPending();
}

interface Metadata {
  readonly structValue: {
    readonly fields: Readonly<
      Record<string, { readonly stringValue?: string; readonly numberValue?: number }>
    >;
  };
}
