/** Pods, the program and a real Envoy, wired on free ports. */
import { readFile } from 'node:fs/promises';
import { type Bootstrap, type RunningEnvoy, renderBootstrap, startEnvoy } from '../../demo/envoy.ts';
import type { Environment } from '../../src/config.ts';
import type { Pod } from '../../src/domain.ts';
import type { TraceSink } from '../../src/ops/telemetry.ts';
import { type EngineOptions, type SimulatedEngine, startEngine } from '../../src/simulator/engine.ts';
import { aPod } from './builders.ts';
import { ENVOY_TEST_TIMEOUT_MS, type EnvoyFile, envoyFile, envoyForTests } from './envoy.ts';
import { eventually } from './eventually.ts';
import { createLlmClient, type LlmClient } from './llm-client.ts';
import { type Program, type ProgramProcess, startProgram, startProgramProcess } from './program.ts';

export const MODEL = 'sim-model';

/** As fast as the machine: for tests that are not about generations under way. */
export const NO_COST: EngineOptions['cost'] = {
  prefillTokensPerSecond: Number.POSITIVE_INFINITY,
  decodeTokensPerSecond: Number.POSITIVE_INFINITY,
  overheadMs: 0,
};

/** The engines' tokens and events: what the program is made for. */
export const WITH_EVENTS: Environment = {
  AIBRIX_USE_REMOTE_TOKENIZER: 'true',
  AIBRIX_KV_EVENT_SYNC_ENABLED: 'true',
};

/** `before(envoyReady)`: the first call on a machine may fetch Envoy, which no test's own timeout should have to cover. */
export async function envoyReady(this: Mocha.Context): Promise<void> {
  this.timeout(ENVOY_TEST_TIMEOUT_MS);
  await envoyForTests();
}

interface Common {
  /** One of the project's, or another one. */
  readonly file?: EnvoyFile | URL;
  /** Of the program; debug headers are allowed, and clients learn who served. */
  readonly environment?: Environment;
  readonly edit?: (bootstrap: Bootstrap) => void;
  readonly collector?: string;
  readonly traces?: TraceSink;
}

export interface EngineFleetOptions extends Common {
  /** How many engines; default 3. */
  readonly engines?: number;
  readonly engineOptions?: Partial<EngineOptions>;
  /** Of the engine with this number, beside those of all. */
  readonly engineOptionsOf?: (engine: number) => Partial<EngineOptions>;
}

export interface PodFleetOptions extends Common {
  readonly pods: readonly { readonly pod: Pod; readonly address: string }[];
  /** Addresses of routers beside the program, which need not listen yet. */
  readonly otherRouters?: readonly string[];
}

export interface Fleet extends LlmClient {
  readonly envoy: RunningEnvoy;
  readonly program: Program;
  /** A counter or gauge of Envoy's ext_proc filter; throws if there is none of this name. */
  filterStat(name: string): Promise<number>;
  /** The same of its cluster for the program. */
  routerStat(name: string): Promise<number>;
  /** Requests in flight, as the program counts them. */
  inFlight(): Promise<number>;
  stop(): Promise<void>;
}

export interface EngineFleet extends Fleet {
  readonly engines: readonly SimulatedEngine[];
  /** The engine at an address as Envoy writes it. */
  engineAt(address: string | undefined): SimulatedEngine;
  /** Resolves when the program believes exactly what the engines hold. */
  indexed(): Promise<void>;
}

/** Engines with events, the program in this process, Envoy; when all of them are joined. */
export async function startEngineFleet(options: EngineFleetOptions = {}): Promise<EngineFleet> {
  const stops = new Stops();
  try {
    const engines: SimulatedEngine[] = [];
    for (let i = 0; i < (options.engines ?? 3); i++) {
      const engine = await startEngine({
        ...{ name: `engine-${i}`, model: MODEL, cost: NO_COST },
        ...options.engineOptions,
        ...options.engineOptionsOf?.(i),
      });
      engines.push(engine);
      stops.push(() => engine.stop());
    }
    const pods = engines.map(podOf).map(pod => ({ pod, address: `${pod.ip}:${pod.port}` }));
    const environment = { ...WITH_EVENTS, ...options.environment };
    const fleet = await startFleet({ ...options, pods, environment });
    stops.push(() => fleet.stop());
    await subscribed(fleet.program, engines);
    return {
      ...fleet,
      engines,
      engineAt(address) {
        const engine = engines.find(({ url }) => url === `http://${address}`);
        if (engine === undefined) throw new Error(`no engine at ${address}`);
        return engine;
      },
      async indexed() {
        const held = () => engines.reduce((sum, { cache }) => sum + cache.residentBlocks().length, 0);
        await eventually('the index agrees with the engines', async () => {
          const metrics = await fleet.program.metrics();
          return metrics('warmroute_index_entries', { source: 'events' }) === held();
        });
      },
      stop: () => stops.run(),
    };
  } catch (error) {
    await stops.run();
    throw error;
  }
}

/** Given pods, the program in this process, Envoy. The pods are the caller's to stop. */
export function startFleet(options: PodFleetOptions): Promise<Fleet> {
  return join(options, program => startProgram(program));
}

/** The same with the program in a process of its own, which can be killed. */
export function startFleetWithProcess(
  options: PodFleetOptions,
): Promise<Fleet & { readonly program: ProgramProcess }> {
  return join(options, program => startProgramProcess(program));
}

async function join<P extends Program>(
  options: PodFleetOptions,
  start: (options: Parameters<typeof startProgram>[0]) => Promise<P>,
): Promise<Fleet & { readonly program: P }> {
  const stops = new Stops();
  try {
    const program = await start({
      pods: options.pods.map(({ pod }) => pod),
      environment: {
        WARMROUTE_DEBUG_HEADERS: 'true',
        WARMROUTE_TARGET_HEADERS: 'warmroute',
        ...options.environment,
      },
      ...(options.traces && { traces: options.traces }),
    });
    stops.push(() => program.stop());
    const { file = 'warmroute.yaml', otherRouters = [] } = options;
    const envoy = await startEnvoy({
      binary: await envoyForTests(),
      bootstrap: renderBootstrap(await readFile(file instanceof URL ? file : envoyFile(file), 'utf8'), {
        routers: [`127.0.0.1:${program.grpcPort}`, ...otherRouters],
        pods: options.pods.map(({ address }) => address),
        ...(options.edit && { edit: options.edit }),
        ...(options.collector !== undefined && { collector: options.collector }),
      }),
    });
    stops.push(() => envoy.stop());
    const client = createLlmClient(envoy.url, { 'x-warmroute-debug': '1' });
    stops.push(() => client.close());

    const statNamed = async (name: string) => {
      const value = (await envoy.stats(`^${name.replaceAll('.', '\\.')}$`)).get(name);
      if (value === undefined) throw new Error(`Envoy has no stat ${name}`);
      return value;
    };
    const routerStat = (name: string) => statNamed(`cluster.warmroute_ext_proc.${name}`);
    await eventually('Envoy finds the program healthy', async () => {
      return (await routerStat('membership_healthy')) === 1;
    });
    return {
      ...client,
      ...{ envoy, program, routerStat },
      filterStat: name => statNamed(`http.ingress.ext_proc.warmroute.${name}`),
      inFlight: async () => (await program.metrics())('warmroute_requests_in_flight'),
      stop: () => stops.run(),
    };
  } catch (error) {
    await stops.run();
    throw error;
  }
}

/** Runs `use` with a fleet and stops it. What Envoy wrote is printed only when `use` fails. */
export async function withFleet<F extends Fleet>(
  starting: Promise<F>,
  use: (fleet: F) => Promise<void>,
): Promise<void> {
  const fleet = await starting;
  try {
    await use(fleet);
  } catch (error) {
    console.error(`Envoy wrote:\n${fleet.envoy.output()}`);
    for (const entry of fleet.envoy.accessLog().slice(-20)) console.error(JSON.stringify(entry));
    throw error;
  } finally {
    await fleet.stop();
  }
}

function podOf(engine: SimulatedEngine): Pod {
  const { name, httpPort, eventsPort, replayPort, options } = engine;
  return aPod({
    name,
    port: httpPort,
    model: options.model,
    ...(eventsPort !== undefined && {
      kvEvents: { kind: 'zmq', port: eventsPort, replayPort, ranks: 1 },
    }),
  });
}

/** A subscription shows only by what comes through: each engine announces an empty cache until the program knows it. */
async function subscribed(program: Program, engines: readonly SimulatedEngine[]): Promise<void> {
  for (const engine of engines) {
    await eventually(`the program hears ${engine.name}`, async () => {
      engine.resetCache();
      engine.publishPending();
      const metrics = await program.metrics();
      return metrics('warmroute_kv_events_total', { pod: engine.name, outcome: 'cleared' }) > 0;
    });
  }
}

class Stops {
  readonly #stops: (() => Promise<void>)[] = [];

  push(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }

  /** Last in, first out. */
  async run(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }
}
