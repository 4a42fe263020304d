/**
 * The main job on one machine: three simulated engines, Envoy and Warmroute on free ports of 127.0.0.1. Conversations go
 * through Envoy, five at a time: by cost, by AIBrix's rule and round robin. `--keep` leaves all running, with light traffic and now and then an engine
 * that is started again, until Ctrl-C, or for so many seconds (`--keep-seconds`; an hour).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { EnvoyFailed, EnvoyUnavailable, findEnvoy, type RunningEnvoy } from './envoy.ts';
import { CommandFailed, type RunningCommand, runCommand } from './processes.ts';
import { comparison, tableHeader, tableRow } from './report.ts';
import { type LocalEngine, startEnvoyFor, startRouter } from './router.ts';
import { type Run, runConversations } from './runs.ts';
import { keepTalking } from './traffic.ts';

const ENGINES = 3;
const MODEL = 'demo-model';
/** A real engine of this size prefills faster and gets longer prompts; the ratio is what counts. */
const PREFILL_TOKENS_PER_SECOND = 4_000;
const DECODE_TOKENS_PER_SECOND = 400;
/** Small enough that something is evicted now and then. */
const CACHE_BLOCKS = 900;
/** Ours, AIBrix's, and none. */
const STRATEGIES = ['prefix-cost', 'prefix-cache', 'round-robin'];
/** Long enough for a few blocks of 16 tokens. */
const QUESTION =
  'I borrowed the atlas in spring, the cookbook in summer and two novels in autumn. ' +
  'Which of them have to be back before the library closes for the winter, and which may I keep until the new year?';

/** So few requests need more of a sample. */
const MUCH_TO_SEE = { WARMROUTE_ANSWER_SAMPLE_PERCENT: '50' };
/** Long enough for a meeting, and short enough for a demo that was forgotten. */
const KEEP_SECONDS = 3_600;
/** From one restart of an engine to the next, and how long it is away. */
const RESTART_EVERY_MS = 75_000;
const AWAY_MS = 6_000;

const { values: flags } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    'keep-seconds': { type: 'string' },
  },
});
const keepSeconds = secondsOf(flags['keep-seconds'] ?? (flags.keep ? String(KEEP_SECONDS) : '0'));
const stops: (() => Promise<unknown>)[] = [];
const ending = new AbortController();
let stopping: Promise<void> | undefined;

process.once('SIGINT', () => {
  console.log('\nstopping');
  void stopAll().then(() => process.exit(130));
});
process.once('SIGTERM', () => void stopAll().then(() => process.exit(143)));

try {
  await main();
} catch (error) {
  const known = [EnvoyUnavailable, EnvoyFailed, CommandFailed].some(kind => error instanceof kind);
  if (stopping === undefined) console.error(known ? `demo: ${(error as Error).message}` : error);
  process.exitCode = 1;
} finally {
  await stopAll();
}

async function main(): Promise<void> {
  const binary = await findEnvoy({ env: process.env, onProgress: say });
  const engines = await Promise.all(Array.from({ length: ENGINES }, (_, i) => startEngine(`engine-${i}`)));
  say(`${ENGINES} simulated engines run`);
  const pods = engines.map(({ place }) => place);
  const router = started(await startRouter(pods, { ...(keepSeconds > 0 && MUCH_TO_SEE), ...process.env }));
  say(`Warmroute runs: ext_proc on port ${router.ready.grpcPort}, admin on port ${router.ready.adminPort}`);
  const envoy = started(await startEnvoyFor(binary, router, pods));
  say(`Envoy runs: ${envoy.url}`);

  console.log(
    `\nFive conversations at a time (matched: full blocks of the prompt that the pod holds)\n${tableHeader()}`,
  );
  const runs: Run[] = [];
  for (const [i, strategy] of STRATEGIES.entries()) {
    runs.push(
      await runConversations({
        ...{ url: envoy.url, model: MODEL, strategy },
        ...(i === 0 && { onAnswer: measured => console.log(tableRow(measured)) }),
      }),
    );
    await Promise.all(
      pods.map(({ port }) => fetch(`http://127.0.0.1:${port}/reset_prefix_cache`, { method: 'POST' })),
    );
  }
  console.log(`\nThe same by other strategies, each with empty caches at first:\n\n${comparison(runs)}\n`);
  if (keepSeconds > 0) await keep(keepSeconds, engines, envoy, router);
}

async function keep(
  seconds: number,
  engines: DemoEngine[],
  envoy: RunningEnvoy,
  router: RunningCommand,
): Promise<void> {
  const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: QUESTION }] });
  console.log(`The console, with light traffic to look at:

  http://127.0.0.1:${router.ready.adminPort}/

Try it. The second time the pod that answered holds the prompt (x-warmroute-matched-blocks):

  curl -si ${envoy.url}/v1/chat/completions -H 'content-type: application/json' -H 'x-warmroute-debug: 1' \\
    -d '${body}'

  curl -s http://127.0.0.1:${router.ready.adminPort}/metrics

Ctrl-C stops everything; after ${seconds} seconds it stops by itself.`);
  const signal = AbortSignal.any([AbortSignal.timeout(1_000 * seconds), ending.signal]);
  await Promise.all([keepTalking({ url: envoy.url, model: MODEL, signal }), keepRestarting(engines, signal)]);
}

/** One engine after the other goes away and comes back with an empty cache, where it was. */
async function keepRestarting(engines: DemoEngine[], signal: AbortSignal): Promise<void> {
  const passed = (ms: number) =>
    delay(ms, undefined, { signal }).then(
      () => true,
      () => false,
    );
  for (let i = 0; await passed(RESTART_EVERY_MS); i++) {
    const engine = engines[i % engines.length]!;
    await engine.command.stop();
    if (!(await passed(AWAY_MS))) return;
    engine.command = await runEngine(engine.place);
  }
}

// ---- the parts -------------------------------------------------------------------------------------------------

interface DemoEngine {
  readonly place: LocalEngine;
  /** Another one after a restart. */
  command: RunningCommand;
}

async function startEngine(name: string): Promise<DemoEngine> {
  const command = await runEngine({ name, port: 0, kvEvents: { port: 0, replayPort: 0 } });
  const { url, eventsPort, replayPort } = command.ready;
  const kvEvents = { port: Number(eventsPort), replayPort: Number(replayPort) };
  const place = { name, port: Number(new URL(String(url)).port), model: MODEL, kvEvents };
  const engine: DemoEngine = { place, command };
  stops.push(() => engine.command.stop());
  return engine;
}

/** On these ports; 0 is any free one. */
function runEngine({ name, port, kvEvents }: Omit<LocalEngine, 'model'>): Promise<RunningCommand> {
  const flagsOf = {
    ...{ name, model: MODEL, port, 'events-port': kvEvents.port, 'replay-port': kvEvents.replayPort },
    ...{ 'prefill-rate': PREFILL_TOKENS_PER_SECOND, 'decode-rate': DECODE_TOKENS_PER_SECOND },
    ...{ 'cache-blocks': CACHE_BLOCKS },
  };
  const args = Object.entries(flagsOf).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  return runCommand(['engine', ...args], process.env, 'engine ready');
}

// ---- starting and stopping -------------------------------------------------------------------------------------

/** Stopped in reverse order, also when starting the next part fails. */
function started<T extends { stop(): Promise<unknown> }>(part: T): T {
  stops.push(() => part.stop());
  return part;
}

function stopAll(): Promise<void> {
  ending.abort();
  stopping ??= (async () => {
    for (const stop of stops.reverse()) await stop().catch(error => console.error(error));
  })();
  return stopping;
}

function secondsOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  console.error('demo: --keep-seconds takes a whole number, up to 99999');
  process.exit(1);
}

function say(line: string): void {
  console.log(`- ${line}`);
}
