/** The official clients of OpenAI's and Anthropic's APIs, and what the gateway told them beside the answers. */
import Anthropic from '@anthropic-ai/sdk';
import { assert } from 'chai';
import OpenAI from 'openai';
import type { EnvoyFile } from './envoy.ts';
import { type EngineFleet, startEngineFleet } from './fleet.ts';
import { decisionIn, type ShownDecision } from './llm-client.ts';

export const OPENAI_KEY = 'sk-of-a-client-of-openai';
export const ANTHROPIC_KEY = 'sk-ant-of-a-client-of-anthropic';

/** Of the tool that the tests offer: what a simulated engine calls it with. */
export const CITY = 'Tromsø';
export const CITY_SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string', enum: [CITY, 'Oslo'] } },
  required: ['city'],
  additionalProperties: false,
};

export interface SdkClients {
  readonly fleet: EngineFleet;
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
  /** What the headers of the last answer told; throws if there is none, or it was not routed. */
  told(): ShownDecision;
  stop(): Promise<void>;
}

/** Engines that are fast, but not so fast that a stream is over before somebody hangs up. */
const COST = {
  prefillTokensPerSecond: Number.POSITIVE_INFINITY,
  decodeTokensPerSecond: 1_000,
  overheadMs: 0,
};

export interface SdkSetting {
  readonly file: EnvoyFile;
  /** `off` as a vLLM without `--enable-scale-out`: then the router makes chats of messages and responses. */
  readonly render: 'all' | 'off';
}

/** Every Envoy configuration that there is, and engines that do not render. */
export const SDK_SETTINGS: readonly SdkSetting[] = [
  { file: 'warmroute.yaml', render: 'all' },
  { file: 'warmroute.yaml', render: 'off' },
  { file: 'original-dst.yaml', render: 'all' },
  { file: 'endpoint-picker.yaml', render: 'all' },
  { file: 'aibrix.yaml', render: 'all' },
];

export async function startSdkClients(
  { file, render }: SdkSetting,
  environment: Readonly<Record<string, string>> = {},
): Promise<SdkClients> {
  const fleet = await startEngineFleet({
    file,
    environment,
    engineOptions: { cost: COST, render, responses: 'kept' },
  });
  let last: Headers | undefined;
  const options = {
    // A failure is to be seen, and not made good.
    maxRetries: 0,
    timeout: 15_000,
    defaultHeaders: { 'x-warmroute-debug': '1' },
    fetch: async (...asked: Parameters<typeof fetch>) => {
      const response = await fetch(...asked);
      last = response.headers;
      return response;
    },
  };
  return {
    fleet,
    openai: new OpenAI({ ...options, baseURL: `${fleet.envoy.url}/v1`, apiKey: OPENAI_KEY }),
    anthropic: new Anthropic({ ...options, baseURL: fleet.envoy.url, apiKey: ANTHROPIC_KEY }),
    told() {
      const decision = decisionIn(Object.fromEntries(last ?? []));
      if (decision === undefined) throw new Error('the last answer tells of no decision');
      return decision;
    },
    stop: () => fleet.stop(),
  };
}

/**
 * Two turns of one conversation, the second made of the first one's answer. It has to go to the same engine, for all that this
 * one finds in its cache: the first prompt, and of the answer what comes back as it was said.
 */
export async function twoTurns<A>(
  { fleet, told }: SdkClients,
  first: () => Promise<A>,
  second: (answer: A) => Promise<unknown>,
): Promise<void> {
  const served = async <T>(turn: () => Promise<T>) => {
    const before = fleet.engines.map(({ requests }) => requests.length);
    const answer = await turn();
    const engines = fleet.engines.filter(({ requests }, i) => requests.length > before[i]!);
    const decision = told();
    assert.deepEqual(
      engines.map(({ name }) => name),
      [decision.pod],
    );
    return { answer, decision, engine: engines[0]! };
  };
  const opening = await served(first);
  assert.equal(opening.decision.reason, 'no_match', 'of the first turn');
  assert.isAbove(opening.decision.totalBlocks, 4);
  await fleet.indexed();

  const { decision, engine } = await served(() => second(opening.answer));
  assert.equal(decision.reason, 'prefix_match', 'of the second turn');
  assert.equal(engine.name, opening.engine.name);
  assert.isAtLeast(decision.matchedBlocks, opening.decision.totalBlocks);
  assert.isAbove(decision.totalBlocks, opening.decision.totalBlocks);
  const { blockSizeTokens } = engine.options;
  assert.equal(decision.matchedBlocks * blockSizeTokens, engine.requests.at(-1)!.cachedTokens);
}

/** A system prompt of some blocks, that no other conversation begins with. */
export function systemFor(conversation: string): string {
  return `In the matter of ${conversation}: ${'answer briefly, politely, and never without looking it up. '.repeat(12)}`;
}
