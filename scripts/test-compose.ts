/**
 * Brings docker-compose.yml up and shows that it routes, survives the death of an engine and of the router, and recovers.
 * `npm run test:compose`; with `--allow-skip` a machine without Docker is no failure.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { until } from './until.ts';

const ENVOY = 'http://127.0.0.1:10000';
const PROMETHEUS = 'http://127.0.0.1:9090';
const ENGINES = ['engine-0', 'engine-1', 'engine-2'] as const;
const PODS = ENGINES.length;

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

interface Answer {
  /** `ip:port` of the engine that served. */
  readonly pod: string;
  readonly cachedTokens: number;
  /** Undefined when the router had no part in it. */
  readonly reason: string | undefined;
}

let passed = 0;
let failed = 0;

async function step(name: string, body: () => Promise<string | undefined>): Promise<boolean> {
  const started = Date.now();
  try {
    const note = await body();
    passed++;
    console.log(`ok    ${name}${note ? `: ${note}` : ''} (${Date.now() - started} ms)`);
    return true;
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}

// ---- the world -------------------------------------------------------------------------------------------------

/** Its output goes to the terminal: builds take long. */
async function compose(...args: string[]): Promise<void> {
  const child = spawn('docker', ['compose', '--progress', 'plain', ...args], { cwd: root, stdio: 'inherit' });
  const [code] = await once(child, 'close');
  expect(code === 0, `docker compose ${args.join(' ')} ended with code ${code}`);
}

async function docker(...args: string[]): Promise<string> {
  return (await run('docker', args, { cwd: root })).stdout.trim();
}

/** Address of a service's container, which may change when it is started again. */
async function podOf(engine: string): Promise<string> {
  const container = await docker('compose', 'ps', '-q', engine);
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return `${await docker('inspect', '-f', format, container)}:8000`;
}

/** Long enough for several blocks, and like nothing that was asked before. */
function newPrefix(): string {
  const topic = crypto.randomUUID();
  return Array.from({ length: 120 }, (_, i) => `Rule ${i} about ${topic}.`).join(' ');
}

async function chat(prefix: string, question: string): Promise<Answer> {
  const messages = [
    { role: 'system', content: prefix },
    { role: 'user', content: question },
  ];
  const response = await fetch(`${ENVOY}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-warmroute-debug': '1' },
    body: JSON.stringify({ model: 'demo-model', max_tokens: 4, messages }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  expect(response.status === 200, `chat answered ${response.status}: ${text.slice(0, 200)}`);
  const { usage } = JSON.parse(text) as {
    usage?: { prompt_tokens_details?: { cached_tokens?: number } | null };
  };
  return {
    pod: response.headers.get('x-target-pod') ?? '',
    cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
    reason: response.headers.get('x-warmroute-reason') ?? undefined,
  };
}

/** A page of Envoy's admin interface, which only its own container reaches, and which has no HTTP client. */
async function envoyAdmin(path: string): Promise<string> {
  const request = `GET ${path} HTTP/1.1\\r\\nHost: envoy\\r\\nConnection: close\\r\\n\\r\\n`;
  const script = `exec 3<>/dev/tcp/127.0.0.1/9901 && printf '${request}' >&3 && cat <&3`;
  return docker('compose', 'exec', '-T', 'envoy', 'bash', '-c', script);
}

async function failedOpen(): Promise<number> {
  const text = await envoyAdmin('/stats?filter=failure_mode_allowed');
  return Number(/: (\d+)\r?$/m.exec(text)?.[1] ?? Number.NaN);
}

/** Requests that each engine has got, by its address, as Envoy counts them. */
async function servedByEngine(): Promise<Map<string, number>> {
  const counts = (await envoyAdmin('/clusters')).matchAll(/^llm_pods::([\d.]+:\d+)::rq_total::(\d+)\r?$/gm);
  return new Map(Array.from(counts, ([, address, count]) => [address!, Number(count)]));
}

/** Asks twice with a prefix that is new: the second answer must come from where the first one was computed. */
async function warmPair(): Promise<{ readonly prefix: string; readonly pod: string }> {
  const prefix = newPrefix();
  const cold = await chat(prefix, 'What is the first rule?');
  const warm = await chat(prefix, 'And the second?');
  expect(cold.cachedTokens === 0, `the first request found ${cold.cachedTokens} tokens in a cache`);
  expect(warm.pod === cold.pod, `the first request went to ${cold.pod}, the second to ${warm.pod}`);
  expect(warm.cachedTokens > 0, 'the second request found nothing in the cache');
  expect(warm.reason === 'prefix_match', `the reason was ${warm.reason}`);
  return { prefix, pod: warm.pod };
}

// ---- the story -------------------------------------------------------------------------------------------------

async function story(): Promise<void> {
  const up = await step('compose comes up healthy', async () => {
    await compose('up', '-d', '--build', '--wait');
    return undefined;
  });
  if (!up) {
    await compose('ps', '-a').catch(() => {});
    await compose('logs', '--tail', '30').catch(() => {});
    return;
  }
  const engines = new Map(
    await Promise.all(ENGINES.map(async engine => [await podOf(engine), engine] as const)),
  );
  const nameOf = (pod: string) => engines.get(pod) ?? pod;

  await step(
    'the image has one platform’s native modules, no node of its own, and does not run as root',
    async () => {
      const look =
        'id -u; find /app -name "*.node"; ls -d /app/node_modules/node /app/node_modules/@types 2>/dev/null';
      const [user, ...files] = (
        await docker('compose', 'exec', '-T', 'warmroute', 'sh', '-c', `${look}; true`)
      ).split('\n');
      expect(user !== '0', 'it runs as root');
      expect(files.length === 1 && files[0]!.endsWith('.node'), `it has ${files.join(', ')}`);
      return files[0];
    },
  );

  await step('Envoy’s admin interface is reached from its own container only', async () => {
    const network = 'http://envoy:9901/ready';
    const script = `fetch('${network}').then(() => process.exit(1), () => process.exit(0))`;
    await docker('compose', 'exec', '-T', 'warmroute', 'node', '-e', script);
    const stats = "fetch('http://envoy:9902/stats').then(r => process.exit(r.status === 404 ? 0 : 1))";
    await docker('compose', 'exec', '-T', 'warmroute', 'node', '-e', stats);
    return undefined;
  });

  let warm = { prefix: '', pod: '' };
  const routed = await step('requests with one prefix land on one engine, which has it cached', async () => {
    // By chance alone all four pairs would meet in 1 of 81 runs, and would be no prefix_match.
    const pairs = [await warmPair(), await warmPair(), await warmPair()];
    warm = await warmPair();
    return [...pairs, warm].map(({ pod }) => nameOf(pod)).join(', ');
  });

  if (!routed) return;

  await step('Prometheus scrapes the router, Envoy and every engine', () =>
    until('5 targets are up', 60_000, async () => {
      const response = await fetch(`${PROMETHEUS}/api/v1/query?query=sum(up)`);
      const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
      return data.result[0]?.value[1] === String(2 + PODS) ? 'all up' : undefined;
    }),
  );

  const victim = nameOf(warm.pod);
  await step(`the warm engine ${victim} is killed: its requests are served by others`, async () => {
    await compose('kill', victim);
    const answers: Answer[] = [];
    for (let i = 0; i < 6; i++) answers.push(await chat(warm.prefix, `Rule ${i}?`));
    const pods = answers.map(({ pod }) => pod);
    expect(!pods.includes(warm.pod), `one was served by ${warm.pod}, which is dead`);
    return [...new Set(pods.map(nameOf))].join(', ');
  });

  await step(`${victim} is started again: it gets requests again`, async () => {
    await compose('up', '-d', '--wait', victim);
    const pod = await podOf(victim);
    engines.set(pod, victim as (typeof ENGINES)[number]);
    return until(`${victim} serves`, 60_000, async () => {
      const answer = await chat(newPrefix(), 'Anybody?');
      // It comes back by trial requests.
      return answer.pod === pod && answer.reason !== 'trial' ? pod : undefined;
    });
  });

  await step('routing follows the cache there, too', async () => nameOf((await warmPair()).pod));

  await step('the router is killed: requests are served without it', async () => {
    const before = await failedOpen();
    await compose('kill', 'warmroute');
    const servedBefore = await servedByEngine();
    for (let i = 0; i < 9; i++) {
      const answer = await chat(newPrefix(), 'Anybody?');
      expect(answer.reason === undefined, 'the dead router gave a reason');
      expect(answer.pod === '', 'a client learned of a pod without the router’s leave');
    }
    const count = (await failedOpen()) - before;
    expect(count === 9, `Envoy counts ${count} of 9 requests that failed open`);
    const pods = [...(await servedByEngine())].filter(
      ([pod, served]) => served > (servedBefore.get(pod) ?? 0),
    );
    expect(pods.length === PODS, `only ${pods.length} of ${PODS} engines served`);
    return '9 of 9, by round robin';
  });

  await step('the router is started again: routing recovers', async () => {
    await compose('up', '-d', '--wait', 'warmroute');
    await until('Envoy asks the router', 60_000, async () => (await chat(newPrefix(), 'Anybody?')).reason);
    return nameOf((await warmPair()).pod);
  });
}

const { values } = parseArgs({
  options: { 'allow-skip': { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
});

try {
  await run('docker', ['compose', 'version']);
  await run('docker', ['info']);
} catch {
  console.log('SKIPPED: no Docker engine with compose is reachable, NOTHING WAS TESTED');
  process.exit(values['allow-skip'] ? 0 : 1);
}

// Compose gets Ctrl-C from the terminal itself; what runs then fails, and everything is taken down at the end.
process.on('SIGINT', () => {});
try {
  await story();
  if (failed > 0) await compose('logs', '--tail', '30').catch(() => {});
} catch (error) {
  failed++;
  console.log(`FAIL  ${error instanceof Error ? error.stack : String(error)}`);
} finally {
  if (!values.keep) await compose('down', '-v', '--timeout', '5').catch(error => console.log(String(error)));
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
