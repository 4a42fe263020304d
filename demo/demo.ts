/**
 * The main job on one machine: three simulated engines, Envoy and Warmroute on free ports of 127.0.0.1. Conversations go
 * through Envoy, once routed by prefix and once round robin. `--keep` leaves all running until Ctrl-C.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ask, type Measured } from './client.ts';
import { turnsOf } from './conversations.ts';
import { EnvoyFailed, EnvoyUnavailable, findEnvoy, type RunningEnvoy } from './envoy.ts';
import { CommandFailed, type RunningCommand, runCommand } from './processes.ts';
import { comparison, tableHeader, tableRow } from './report.ts';
import { type LocalEngine, startEnvoyFor, startRouter } from './router.ts';

const ENGINES = 3;
const MODEL = 'demo-model';
/** A real engine of this size prefills faster and gets longer prompts; the ratio is what counts. */
const PREFILL_TOKENS_PER_SECOND = '4000';
/** Long enough for a few blocks of 16 tokens. */
const QUESTION =
  'I borrowed the atlas in spring, the cookbook in summer and two novels in autumn. ' +
  'Which of them have to be back before the library closes for the winter, and which may I keep until the new year?';

const { values: flags } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
const stops: (() => Promise<unknown>)[] = [];
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
  const pods = engines.map(localEngine);
  const router = started(await startRouter(pods, process.env));
  say(`Warmroute runs: ext_proc on port ${router.ready.grpcPort}, admin on port ${router.ready.adminPort}`);
  const envoy = started(await startEnvoyFor(binary, router, pods));
  say(`Envoy runs: ${envoy.url}`);

  const answers = new Map<string, string>();
  const turns = turnsOf((conversation, turn) => answers.get(`${conversation} ${turn}`) ?? '');
  console.log(`\nRouted by prefix (matched: full blocks of the prompt that the pod holds)\n${tableHeader()}`);
  const warmroute: Measured[] = [];
  for (const turn of turns) {
    const measured = await ask(envoy.url, MODEL, turn, {});
    answers.set(`${turn.conversation} ${turn.turn}`, measured.answer);
    warmroute.push(measured);
    console.log(tableRow(measured));
  }

  console.log(`\nThe same requests, round robin, caches empty again\n${tableHeader()}`);
  await Promise.all(
    engines.map(engine => fetch(`${engine.ready.url}/reset_prefix_cache`, { method: 'POST' })),
  );
  const roundRobin: Measured[] = [];
  for (const turn of turns) {
    const measured = await ask(envoy.url, MODEL, turn, { 'routing-strategy': 'round-robin' });
    roundRobin.push(measured);
    console.log(tableRow(measured));
  }
  console.log(`\n${comparison(warmroute, roundRobin)}\n`);
  if (flags.keep) await keep(envoy, router);
}

async function keep(envoy: RunningEnvoy, router: RunningCommand): Promise<void> {
  const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: QUESTION }] });
  console.log(`Try it. The second time the pod that answered holds the prompt (x-warmroute-matched-blocks):

  curl -si ${envoy.url}/v1/chat/completions -H 'content-type: application/json' -H 'x-warmroute-debug: 1' \\
    -d '${body}'

  curl -s http://127.0.0.1:${router.ready.adminPort}/metrics

Ctrl-C stops everything.`);
  // A timer keeps the process alive until the signal handler ends it.
  for (;;) await delay(60_000);
}

// ---- the parts -------------------------------------------------------------------------------------------------

async function startEngine(name: string): Promise<RunningCommand> {
  const args = [
    '--name',
    name,
    '--model',
    MODEL,
    '--prefill-rate',
    PREFILL_TOKENS_PER_SECOND,
    '--decode-rate',
    '400',
  ];
  return started(await runCommand(['engine', ...args], process.env, 'engine ready'));
}

function localEngine({ ready }: RunningCommand): LocalEngine {
  return {
    name: String(ready.name),
    port: Number(new URL(String(ready.url)).port),
    model: MODEL,
    kvEvents: { port: Number(ready.eventsPort), replayPort: Number(ready.replayPort) },
  };
}

// ---- starting and stopping -------------------------------------------------------------------------------------

/** Stopped in reverse order, also when starting the next part fails. */
function started<T extends { stop(): Promise<unknown> }>(part: T): T {
  stops.push(() => part.stop());
  return part;
}

function stopAll(): Promise<void> {
  stopping ??= (async () => {
    for (const stop of stops.reverse()) await stop().catch(error => console.error(error));
  })();
  return stopping;
}

function say(line: string): void {
  console.log(`- ${line}`);
}
