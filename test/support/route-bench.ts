/** A router over fakes. */
import { assert } from 'chai';
import type { ClientError, EngineLoad, Pod, RoutedDecision, Tokens } from '../../src/domain.ts';
import { type HealthChange, PodsHealth } from '../../src/health/pods-health.ts';
import { modelAtStart } from '../../src/prompt/model-at-start.ts';
import { type PromptRequest, parsePrompt } from '../../src/prompt/request.ts';
import { createCandidates } from '../../src/routing/candidates.ts';
import { Turns } from '../../src/routing/choice/turns.ts';
import type { Predicted } from '../../src/routing/confirmations.ts';
import { Load } from '../../src/routing/load.ts';
import { createPicker, DEFAULT_COSTS } from '../../src/routing/policy.ts';
import type { PrefixFound } from '../../src/routing/prefix-lookup.ts';
import { ResponseOwners } from '../../src/routing/response-owners.ts';
import type { LeftRequest } from '../../src/routing/rollout/left.ts';
import {
  createRoute,
  type RouteOutcome,
  type RouteParts,
  type RouteRequest,
} from '../../src/routing/route.ts';
import { TokenWork } from '../../src/routing/work/token-work.ts';
import { type SampledAnswer, SampledAnswers } from '../../src/routing/worth/sampled-answers.ts';
import { NO_CHAIN } from './blocks.ts';
import { aPod, aPromptHistory, aStrategy, NO_SESSION, UNKNOWN_LOAD } from './builders.ts';
import { HandClock } from './hand-clock.ts';

export const a = aPod({ name: 'a', port: 1 });
export const b = aPod({ name: 'b', port: 2 });
export const c = aPod({ name: 'c', port: 3 });
export const TOKENS: Tokens = { space: 'engine', ids: Uint32Array.of(1, 2, 3) };
/** Nobody hangs up. */
export const NEVER = new AbortController().signal;

/** A router over fakes; everything that it does to them is kept. */
export class RouteBench {
  serving: readonly Pod[] = [a, b, c];
  onlyModel: string | undefined;
  /** Blocks of 10 that a pod holds, by its name. */
  held: Record<string, number> = { b: 7 };
  /** Of those, blocks that are not on its GPU. */
  offGpu: Record<string, { readonly cpu: number; readonly storage: number }> = {};
  /** The data-parallel rank that holds it. */
  ranks: Record<string, number> = {};
  /** How many ranks a pod has; by default enough. */
  rankCounts: Record<string, number> = {};
  /** By pod; others have not been asked. */
  engineLoads: Record<string, EngineLoad> = {};
  readonly load = new Load();
  readonly work = new TokenWork(() => 0);
  readonly tokenized: { prompt: PromptRequest; pods: readonly Pod[] }[] = [];
  readonly looked: { tokens: Tokens; prompt: unknown; pods: readonly Pod[] }[] = [];
  readonly remembered: string[] = [];
  predict: (pod: Pod) => Predicted | undefined = () => undefined;
  readonly takenBack: string[] = [];
  readonly clock = new HandClock();
  readonly changes: HealthChange[] = [];
  readonly responses = new ResponseOwners({ maxResponses: 100, now: () => 0 });
  readonly sampled: SampledAnswer[] = [];
  readonly left: LeftRequest[] = [];
  readonly samples = new SampledAnswers({
    maxStreams: 2,
    now: this.clock.now,
    onSampled: sample => void this.sampled.push(sample),
  });
  readonly health = new PodsHealth({
    now: this.clock.now,
    onChange: change => void this.changes.push(change),
  });
  tokenize: RouteParts['tokenize'] = async () => TOKENS;
  lookup: () => void = () => {};
  readonly route = this.create({ random: () => 0 });

  create(given: Partial<RouteParts>) {
    return createRoute(this.partsOf(given));
  }

  partsOf(given: Partial<RouteParts>): RouteParts {
    const foundOn = (pods: readonly Pod[]): PrefixFound => ({
      matchedBlocks: Uint32Array.from(pods, ({ name }) => this.held[name] ?? 0),
      totalBlocks: Uint32Array.from(pods, () => 10),
      matchedTokens: Uint32Array.from(pods, ({ name }) => 16 * (this.held[name] ?? 0)),
      adapter: undefined,
      offGpu: {
        cpu: Uint32Array.from(pods, ({ name }) => this.offGpu[name]?.cpu ?? 0),
        storage: Uint32Array.from(pods, ({ name }) => this.offGpu[name]?.storage ?? 0),
      },
      blockSizeOf: () => 16,
      hashingMs: 0,
      rankOf: i => this.ranks[pods[i]!.name],
      hasRank: ({ name }, rank) => (this.rankCounts[name] ?? Number.POSITIVE_INFINITY) > rank,
      chainsFor: () => [],
      finest: () => NO_CHAIN,
      remember: pod => {
        this.remembered.push(pod.name);
        return () => this.takenBack.push(pod.name);
      },
    });
    const registry = {
      onlyModel: this.onlyModel,
      knows: (model: string) => model === 'demo' || model === 'asleep',
      serving: (model: string) => (model === 'demo' ? this.serving : []),
    };
    return {
      parse: parsePrompt,
      modelAtStart,
      registry,
      candidates: createCandidates({ registry, health: this.health }),
      health: this.health,
      tokenize: (prompt, pods, signal) => {
        this.tokenized.push({ prompt, pods });
        return this.tokenize(prompt, pods, signal);
      },
      lookup: (tokens, prompt, pods) => {
        this.looked.push({ tokens, prompt, pods });
        this.lookup();
        return foundOn(pods);
      },
      history: aPromptHistory(),
      confirmations: { predict: pod => this.predict(pod) },
      responses: this.responses,
      pick: createPicker({ imbalanceRequests: 8, standardDeviationFactor: 1, ...DEFAULT_COSTS }),
      engineLoad: ({ name }) => this.engineLoads[name] ?? UNKNOWN_LOAD,
      load: this.load,
      work: this.work,
      drawsControl: () => false,
      zonePenalties: () => undefined,
      samples: this.samples,
      shadowPolicy: undefined,
      onLeft: left => void this.left.push(left),
      turns: new Turns(),
      defaultStrategy: aStrategy(),
      areFull: undefined,
      retries: 2,
      deadlineMs: 60_000,
      ...given,
    };
  }
}

export function aRequest(
  given: Partial<RouteRequest> = {},
  body: unknown = { model: 'demo', prompt: 'Hi' },
): RouteRequest {
  return {
    path: '/v1/completions',
    contentType: 'application/json',
    contentEncoding: undefined,
    strategy: undefined,
    session: NO_SESSION,
    priority: 0,
    labels: undefined,
    subset: undefined,
    response: 'watched',
    sample: 'not_sampled',
    steering: 'steered',
    body: Buffer.from(JSON.stringify(body)),
    extent: 'whole',
    unroutable: 'reject',
    requestId: 'r1',
    trace: {},
    ...given,
  };
}

export function routed({ decision }: RouteOutcome): RoutedDecision {
  if (decision.kind !== 'routed') assert.fail(`not routed: ${JSON.stringify(decision)}`);
  return decision;
}

export function rejected({ decision }: RouteOutcome): ClientError {
  if (decision.kind !== 'rejected') assert.fail(`routed: ${JSON.stringify(decision)}`);
  return decision.error;
}
