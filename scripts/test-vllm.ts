/**
 * Warmroute and Envoy in front of two real vLLM. `npm run test:vllm -- --engine HTTP:EVENTS:REPLAY --engine …`, all ports on
 * 127.0.0.1; with `--start 'COMMAND {http} {events} {replay}'` the engines are started, and one of them restarted, by that command;
 * with `--tokenizer DIRECTORY`, that of the model, tokens are computed in process as well, and compared with theirs.
 */
import { parseArgs } from 'node:util';
import type { Measured } from '../demo/client.ts';
import { findEnvoy } from '../demo/envoy.ts';
import { comparison } from '../demo/report.ts';
import { startEnvoyFor, startRouter } from '../demo/router.ts';
import { type Run, runConversations } from '../demo/runs.ts';
import { AGENT_REQUESTS } from './vllm-agents.ts';
import { drawnRequests } from './vllm-bodies.ts';
import { Engine, parsePorts } from './vllm-engine.ts';
import { ExactRouter } from './vllm-exact.ts';
import { chat, direct, expect, indexed, predictions } from './vllm-fleet.ts';
import { ODD_REQUESTS } from './vllm-odd.ts';
import { describeParity, parityWith } from './vllm-parity.ts';
import { type Conversation, conversation, type Message, randomFrom } from './vllm-prompts.ts';
import { loadTokenizer } from './vllm-tokenizer.ts';
import { rendersAll, tokensDiffer } from './vllm-tokens.ts';

const CONVERSATIONS = 100;
const RANDOM_REQUESTS = 500;
const DRAWN_REQUESTS = 400;
const DRAWN_SEEDS = [1, 2, 3];
const STRATEGIES = ['prefix-cost', 'prefix-cache', 'round-robin'];
/** Each of them has its conversations so many times. */
const ROUNDS = 6;
/** Of the decisions, at least. */
const ACCURACY = 0.95;

const { values: flags } = parseArgs({
  options: {
    engine: { type: 'string', multiple: true, default: [] },
    start: { type: 'string' },
    tokenizer: { type: 'string' },
  },
});
const run = `run ${Date.now()}`;
const WITHOUT_RENDER = 'SKIPPED: the engine does not render all of it (vLLM 0.32 with --enable-scale-out)';
const WITHOUT_TOKENIZER = 'SKIPPED: the model’s directory is not named (--tokenizer DIRECTORY)';
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
      return WITHOUT_RENDER;
    }
    const wrong: string[] = [];
    for (const request of AGENT_REQUESTS) {
      const difference = await tokensDiffer(first.url, model, request);
      if (difference !== undefined) wrong.push(`${request.what}: ${difference}`);
    }
    expect(wrong.length === 0, `${wrong.length} of ${AGENT_REQUESTS.length} differ:\n${wrong.join('\n')}`);
    return `${AGENT_REQUESTS.length} of ${AGENT_REQUESTS.length} requests have the same tokens both ways`;
  });

  await step('tokens computed in process are the engine’s', async () => {
    if (flags.tokenizer === undefined) return WITHOUT_TOKENIZER;
    if (!(await rendersAll(first.url, model))) return WITHOUT_RENDER;
    const drawn = DRAWN_SEEDS.flatMap(seed => drawnRequests(DRAWN_REQUESTS, seed));
    const requests = [...AGENT_REQUESTS, ...ODD_REQUESTS, ...drawn];
    const { tokenizer, close } = await loadTokenizer(flags.tokenizer);
    try {
      const parity = await parityWith(first.url, model, tokenizer, requests);
      expect(
        parity.different.length === 0,
        `${describeParity(parity)}:\n${parity.different.slice(0, 20).join('\n')}`,
      );
      return describeParity(parity);
    } finally {
      await close();
    }
  });

  let exact: ExactRouter | undefined;
  await step('with tokens computed in process no engine is asked, and what is claimed is a hit', async () => {
    if (flags.tokenizer === undefined) return WITHOUT_TOKENIZER;
    exact = await ExactRouter.start({ binary, engines, pods, model, directory: flags.tokenizer });
    stops.push(() => exact!.stop());
    return exact.asksNobody(blockSizeTokens, run);
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
    const requests = new Map<string, Measured[]>(STRATEGIES.map(strategy => [strategy, []]));
    for (let round = 0; round < ROUNDS; round++) {
      // Another one is the first each time: what comes first finds the engines otherwise.
      for (let i = 0; i < STRATEGIES.length; i++) {
        const strategy = STRATEGIES[(round + i) % STRATEGIES.length]!;
        for (const engine of engines) await engine.resetCache();
        for (const engine of engines) await direct(engine, model);
        await indexed(router);
        requests.get(strategy)!.push(...(await runConversations({ url, model, strategy })).requests);
      }
    }
    const runs = [...requests].map(([strategy, requests]): Run => ({ strategy, requests }));
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

  await step('an engine that restarts with another chat template is found', async () => {
    if (exact === undefined) return WITHOUT_TOKENIZER;
    if (!first.canRestart) return 'SKIPPED: the engines were not started by this program (--start)';
    return exact.findsOtherTemplate(blockSizeTokens);
  });
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
