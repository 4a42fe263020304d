/** Two engines behind Envoy and a router, as a client and an operator see them. */
import { setTimeout } from 'node:timers/promises';
import type { RunningCommand } from '../demo/processes.ts';
import { until } from './until.ts';
import type { Engine } from './vllm-engine.ts';
import type { Conversation, Message } from './vllm-prompts.ts';

const EVENTS_TIMEOUT_MS = 10_000;
const JUDGED_AFTER_MS = 3_000;

export interface Answer {
  readonly pod: string;
  readonly reason: string;
  readonly matchedTokens: number;
  readonly cachedTokens: number;
  readonly promptTokens: number;
  readonly message: Message;
}

/** Resolves when the events of what has been asked so far are in the index: when it has stopped changing. */
export async function indexed(router: RunningCommand): Promise<void> {
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
export async function predictions(
  router: RunningCommand,
): Promise<{ confirmed: number; unconfirmed: number }> {
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

/** One chat through Envoy, and what the router says of it. */
export async function chat(
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
export async function direct(engine: Engine, model: string): Promise<void> {
  const response = await fetch(`${engine.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: `step ${Math.random()} `.repeat(20), max_tokens: 1 }),
  });
  await response.arrayBuffer();
}

export function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}
