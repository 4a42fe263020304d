/**
 * Warmroute and Envoy in front of two real vLLM. `npm run test:vllm -- --engine HTTP:EVENTS:REPLAY --engine …`, all ports on
 * 127.0.0.1; with `--start 'COMMAND {http} {events} {replay}'` the engines are started, and one of them restarted, by that command.
 */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { findEnvoy } from '../demo/envoy.ts';
import type { RunningCommand } from '../demo/processes.ts';
import { comparison } from '../demo/report.ts';
import { startEnvoyFor, startRouter } from '../demo/router.ts';
import { type Run, runConversations } from '../demo/runs.ts';
import { until } from './until.ts';
import { AGENT_REQUESTS } from './vllm-agents.ts';
import { Engine, parsePorts } from './vllm-engine.ts';
import { type Conversation, conversation, type Message, randomFrom } from './vllm-prompts.ts';
import { rendersAll, tokensDiffer } from './vllm-tokens.ts';

const CONVERSATIONS = 100;
const RANDOM_REQUESTS = 500;
const EVENTS_TIMEOUT_MS = 10_000;
const JUDGED_AFTER_MS = 3_000;
const STRATEGIES = ['prefix-cost', 'prefix-cache', 'round-robin'];
/** Of the decisions, at least. */
const ACCURACY = 0.95;

interface Answer {
  readonly pod: string;
  readonly reason: string;
  readonly matchedTokens: number;
  readonly cachedTokens: number;
  readonly promptTokens: number;
  readonly message: Message;
}

const { values: flags } = parseArgs({
  options: { engine: { type: 'string', multiple: true, default: [] }, start: { type: 'string' } },
});
const run = `run ${Date.now()}`;
const stops: (() => Promise<unknown>)[] = [];
let failed = 0;
let passed = 0;

try {
  await main();
} finally {
  for (const stop of stops.reverse()) await stop().catch(error => console.error(error));
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function main(): Promise<void> {
  if (flags.engine.length !== 2) throw new Error('name two engines: --engine HTTP:EVENTS:REPLAY, twice');
  const engines = flags.engine.map(text => new Engine(parsePorts(text), flags.start));
  for (const engine of engines) {
    stops.push(() => engine.stop());
    await engine.start();
  }
  const [first] = engines as [Engine, Engine];
  const model = await first.model();
  const blockSizeTokens = await first.blockSizeTokens();
  console.log(`vLLM ${await first.version()}, blocks of ${blockSizeTokens} tokens, two engines`);
  const pods = engines.map(({ ports }, i) => ({
    name: `vllm-${i}`,
    port: ports.http,
    model,
    kvEvents: { port: ports.events, replayPort: ports.replay },
  }));
  // Only what the engines have said counts here.
  const router = await startRouter(pods, { ...process.env, WARMROUTE_EXPECTED_BLOCKS_TTL_MS: '0' });
  stops.push(() => router.stop());
  const binary = await findEnvoy({ env: process.env, onProgress: console.log });
  const envoy = await startEnvoyFor(binary, router, pods);
  stops.push(() => envoy.stop());
  const { url } = envoy;
  const ask = (messages: readonly Message[], given: Partial<Conversation>) =>
    chat(url, model, blockSizeTokens, messages, given);

  await step('/tokenize gives the engine’s own tokens of what agents send', async () => {
    if (!(await rendersAll(first.url, model))) {
      return 'SKIPPED: the engine does not render all of it (vLLM 0.32 with --enable-scale-out)';
    }
    const wrong: string[] = [];
    for (const request of AGENT_REQUESTS) {
      const difference = await tokensDiffer(first.url, model, request);
      if (difference !== undefined) wrong.push(`${request.what}: ${difference}`);
    }
    expect(wrong.length === 0, `${wrong.length} of ${AGENT_REQUESTS.length} differ:\n${wrong.join('\n')}`);
    return `${AGENT_REQUESTS.length} of ${AGENT_REQUESTS.length} requests have the same tokens both ways`;
  });

  await step('the second turn lands on the pod that has the first', async () => {
    let same = 0;
    let agreed = 0;
    for (let number = 0; number < CONVERSATIONS; number++) {
      const { system, ...given } = conversation(number, run);
      const messages: Message[] = [system, { role: 'user', content: `Hello, this is ${number}.` }];
      const one = await ask(messages, given);
      await indexed(router);
      messages.push(one.message, { role: 'user', content: 'And then?' });
      const other = await ask(messages, given);
      await indexed(router);
      if (other.pod === one.pod) same++;
      if (other.matchedTokens === other.cachedTokens) agreed++;
    }
    expect(same === CONVERSATIONS, `only ${same} of ${CONVERSATIONS}`);
    expect(
      agreed === CONVERSATIONS,
      `cached_tokens agrees with the matched blocks in ${agreed} of ${CONVERSATIONS} only`,
    );
    return `${same} of ${CONVERSATIONS}; the engine's cached_tokens equal the matched blocks in ${agreed} of ${CONVERSATIONS}`;
  });

  const { system } = conversation(2, `${run}, reset`);
  const prompt: Message[] = [system, { role: 'user', content: 'Who are you?' }];

  await step('a cache reset is seen', async () => {
    const before = await ask(prompt, {});
    await indexed(router);
    await engines[Number(before.pod.at(-1))]!.resetCache();
    // vLLM publishes the reset with its next step only.
    for (const engine of engines) await direct(engine, model);
    await indexed(router);
    const after = await ask(prompt, {});
    expect(after.matchedTokens === 0, `${after.matchedTokens} tokens are still taken for cached`);
    return `${before.pod} held ${before.promptTokens} tokens, now none is claimed`;
  });

  await step('a restart is seen', async () => {
    if (!first.canRestart) return 'SKIPPED: the engines were not started by this program (--start)';
    await indexed(router);
    const before = await ask(prompt, {});
    await indexed(router);
    const engine = engines[Number(before.pod.at(-1))]!;
    await engine.stop();
    await engine.start();
    await direct(engine, model);
    await indexed(router);
    const after = await ask(prompt, {});
    expect(
      after.matchedTokens === 0,
      `${after.matchedTokens} tokens of the dead process are still taken for cached`,
    );
    return `${before.pod} was restarted, and nothing of its former cache is claimed`;
  });

  await step(`every match claimed in ${RANDOM_REQUESTS} random requests is a hit`, async () => {
    const random = randomFrom(1);
    let claimed = 0;
    let matches = 0;
    const wrong: string[] = [];
    for (let i = 0; i < RANDOM_REQUESTS; i++) {
      const { system, ...given } = conversation(Math.floor(random() * 40), `${run}, random`);
      const turns = Array.from(
        { length: 1 + Math.floor(random() * 3) },
        (_, turn): Message => ({
          role: turn % 2 === 0 ? 'user' : 'assistant',
          content: `${turn} ${Math.floor(random() * 3)} `.repeat(1 + Math.floor(random() * 40)),
        }),
      );
      const { matchedTokens, cachedTokens, pod } = await ask([system, ...turns], given);
      if (matchedTokens > 0) matches++;
      claimed += matchedTokens;
      if (matchedTokens > cachedTokens)
        wrong.push(`${pod}: claimed ${matchedTokens}, cached ${cachedTokens}`);
    }
    expect(wrong.length === 0, `${wrong.length} claims were wrong: ${wrong.slice(0, 3).join('; ')}`);
    return `${matches} matches, ${claimed} tokens claimed, all of them cached`;
  });

  await step('the demo’s conversations, by strategy', async () => {
    const runs: Run[] = [];
    for (const strategy of STRATEGIES) {
      for (const engine of engines) await engine.resetCache();
      for (const engine of engines) await direct(engine, model);
      await indexed(router);
      runs.push(await runConversations({ url, model, strategy }));
    }
    const [byCost] = runs as [Run];
    const exact = byCost.requests.filter(
      each => each.matchedBlocks * blockSizeTokens === each.cachedTokens,
    ).length;
    const share = exact / byCost.requests.length;
    expect(share >= ACCURACY, `the predicted match is what was reused in ${percentOf(share)} only`);
    return `the predicted match is what was reused in ${percentOf(share)}\n\n${comparison(runs)}\n`;
  });

  await step('every prompt that was routed is announced by its pod', async () => {
    const { confirmed, unconfirmed } = await predictions(router);
    expect(confirmed > 50 && unconfirmed === 0, `${confirmed} confirmed, ${unconfirmed} unconfirmed`);
    return `${confirmed} confirmed, ${unconfirmed} unconfirmed`;
  });
}

// ---- the world -------------------------------------------------------------------------------------------------

/** Resolves when the events of what has been asked so far are in the index: when it has stopped changing. */
async function indexed(router: RunningCommand): Promise<void> {
  let before = -1;
  await until('the index rests', EVENTS_TIMEOUT_MS, async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${router.ready.adminPort}/metrics`)).text();
    const events = [...metrics.matchAll(/^warmroute_kv_events_total\{.*\} (\d+)$/gm)];
    const now = events.reduce((sum, [, count]) => sum + Number(count), 0);
    const resting = now === before;
    before = now;
    return resting ? true : undefined;
  });
}

/** Of all pods, when those that are in doubt have been waited for. */
async function predictions(router: RunningCommand): Promise<{ confirmed: number; unconfirmed: number }> {
  await setTimeout(JUDGED_AFTER_MS);
  const response = await fetch(`http://127.0.0.1:${router.ready.adminPort}/debug/pods`);
  const { pods } = (await response.json()) as {
    readonly pods: readonly { readonly confirmed: number; readonly unconfirmed: number }[];
  };
  return {
    confirmed: pods.reduce((sum, pod) => sum + pod.confirmed, 0),
    unconfirmed: pods.reduce((sum, pod) => sum + pod.unconfirmed, 0),
  };
}

async function chat(
  url: string,
  model: string,
  blockSizeTokens: number,
  messages: readonly Message[],
  { salt, tools }: Partial<Conversation>,
): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-warmroute-debug': '1' },
    body: JSON.stringify({
      ...{ model, messages, max_tokens: 8, temperature: 0, seed: 1 },
      ...(salt !== undefined && { cache_salt: salt }),
      ...(tools !== undefined && { tools }),
    }),
  });
  const text = await response.text();
  expect(response.status === 200, `Envoy answered ${response.status}: ${text.slice(0, 300)}`);
  const body = JSON.parse(text) as {
    readonly choices: readonly { readonly message: { readonly content: string | null } }[];
    readonly usage: {
      readonly prompt_tokens: number;
      readonly prompt_tokens_details: { readonly cached_tokens?: number } | null;
    };
  };
  return {
    pod: shownPod(response),
    reason: response.headers.get('x-warmroute-reason') ?? '',
    matchedTokens: Number(response.headers.get('x-warmroute-matched-blocks')) * blockSizeTokens,
    cachedTokens: body.usage.prompt_tokens_details?.cached_tokens ?? 0,
    promptTokens: body.usage.prompt_tokens,
    message: { role: 'assistant', content: body.choices[0]?.message.content ?? '' },
  };
}

function shownPod({ headers }: Response): string {
  const pod = headers.get('x-warmroute-pod');
  expect(pod !== null, 'the router does not say which pod it has picked');
  return pod;
}

/** A request past the router: it makes the engine take a step. */
async function direct(engine: Engine, model: string): Promise<void> {
  const response = await fetch(`${engine.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: `step ${Math.random()} `.repeat(20), max_tokens: 1 }),
  });
  await response.arrayBuffer();
}

async function step(name: string, body: () => Promise<string>): Promise<void> {
  try {
    console.log(`ok    ${name}: ${await body()}`);
    passed++;
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function percentOf(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}
