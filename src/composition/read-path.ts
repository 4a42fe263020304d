/** The read path of the mode that is configured, from a request to a pod. */
import { randomInt } from 'node:crypto';
import type { CacheState } from '../cache/cache-state.ts';
import { type Config, usesEvents } from '../config.ts';
import type { Pod } from '../domain.ts';
import type { EngineMetrics } from '../engine-api/engine-metrics.ts';
import type { PodsHealth } from '../health/pods-health.ts';
import type { Observer } from '../ops/observed.ts';
import type { PodRegistry } from '../pods/registry.ts';
import type { BlockHasher } from '../prompt/blocks.ts';
import type { KnownBodies } from '../prompt/known/known-bodies.ts';
import { modelAtStart } from '../prompt/model-at-start.ts';
import { excerptOf, parsePrompt } from '../prompt/request.ts';
import type { Tokenizer } from '../prompt/tokenizer.ts';
import type { Recorder } from '../record/recorder.ts';
import { withAnyPod } from '../routing/any-pod.ts';
import { createCandidates } from '../routing/candidates.ts';
import { Turns } from '../routing/choice/turns.ts';
import type { Confirmations } from '../routing/confirmations.ts';
import { createDryRun, type DryRunParts } from '../routing/dry-run.ts';
import type { Load } from '../routing/load.ts';
import { createPicker } from '../routing/policy.ts';
import { createPrefixLookup } from '../routing/prefix-lookup.ts';
import { PromptHistory } from '../routing/prompt-history.ts';
import { withReadableBody } from '../routing/readable-body.ts';
import type { ResponseOwners } from '../routing/response-owners.ts';
import { retriesFor } from '../routing/retries.ts';
import { createRoute, type Decide, type Route } from '../routing/route.ts';
import { type AreFull, createShedding, queueAt } from '../routing/shedding.ts';
import { createZonePenalties } from '../routing/strategies/zone-penalties.ts';
import type { TokenWork } from '../routing/work/token-work.ts';
import { monotonicClock } from '../time.ts';
import type { Worth } from './measuring-worth.ts';
import type { Rollout } from './rolling-out.ts';
import { blockSizes, maxBlocksPerPrompt } from './tokenizing.ts';

export interface ReadPathParts {
  readonly observed: Observer;
  readonly registry: PodRegistry;
  readonly cache: CacheState;
  /** The one that events are hashed with. */
  readonly hasher: BlockHasher;
  readonly bodies: KnownBodies;
  readonly tokenizer: Tokenizer;
  readonly health: PodsHealth;
  readonly load: Load;
  readonly work: TokenWork;
  readonly responses: ResponseOwners;
  readonly engineMetrics: EngineMetrics;
  readonly worth: Worth;
  readonly rollout: Rollout;
  /** undefined: nothing is recorded. */
  readonly recorder: Recorder | undefined;
  /** undefined: engines announce nothing. */
  readonly confirmations: Confirmations | undefined;
}

export interface ReadPath {
  readonly route: Route;
  /** The same without consequences: nothing is counted, remembered or recorded. */
  readonly dryRun: Route;
}

export function createReadPath(config: Config, parts: ReadPathParts): ReadPath {
  const { observed, registry, cache, hasher, tokenizer, health, load, work, engineMetrics, recorder } = parts;
  const lookupParts = {
    cache,
    source: usesEvents(config.mode) ? 'engines' : 'history',
    defaultBlockSizeTokens: blockSizes(config),
    maxBlocksPerPrompt: maxBlocksPerPrompt(config),
  } as const;
  const tokenize: Tokenizer['tokenize'] = (prompt, pods, signal) => tokenizer.tokenize(prompt, pods, signal);
  const pick = createPicker(config);
  const unobserved: DryRunParts = {
    parse: parsePrompt,
    modelAtStart,
    registry,
    candidates: createCandidates({ registry, health }),
    health,
    tokenize,
    lookup: createPrefixLookup({ ...lookupParts, hasher }),
    history: new PromptHistory({
      maxEntries: config.historyBlocks,
      timeToLiveMs: config.historyMs,
      seed: randomInt(0x100000000),
      now: monotonicClock,
    }),
    turns: new Turns(),
    responses: parts.responses,
    pick,
    engineLoad: pod => engineMetrics.peekLoadOf(pod),
    confirmations: parts.confirmations,
    ...{ load, work },
    zonePenalties: createZonePenalties(config.zone, config.zonePenaltyMs),
    drawsControl: parts.worth.drawsControl,
    samples: parts.worth.samples,
    shadowPolicy: parts.rollout.shadowPolicy,
    onLeft: parts.rollout.onLeft,
    defaultStrategy: config.defaultStrategy,
    areFull: sheddingFor(config, pod => queueAt(load.running(pod), engineMetrics.peekLoadOf(pod))),
    retries: retriesFor(config.fallbackEndpoints),
    deadlineMs: config.decisionTimeoutMs,
    excerptOf: config.showPrompts ? excerptOf : undefined,
  };
  const decide = createRoute({
    ...unobserved,
    parse: observed.parse((path, contentType, body, defaultModel) =>
      parsePrompt(path, contentType, body, defaultModel, parts.bodies),
    ),
    tokenize: observed.tokenize(tokenize),
    lookup: observed.lookup(createPrefixLookup({ ...lookupParts, hasher: observed.hasher(hasher) })),
    pick: observed.pick(pick),
    onLookedUp: recorder?.lookedUp,
    engineLoad: pod => engineMetrics.loadOf(pod),
    areFull: sheddingFor(config, pod => queueAt(load.running(pod), engineMetrics.loadOf(pod))),
  });
  const whole = (choosing: Decide): Route =>
    withAnyPod(
      withReadableBody(choosing, {
        maxBodyBytes: config.maxBodyBytes,
        deadlineMs: config.decisionTimeoutMs,
        now: monotonicClock,
      }),
    );
  const route = whole(decide);
  return {
    route: observed.route(recorder === undefined ? route : recorder.route(route)),
    dryRun: whole(createDryRun(unobserved)),
  };
}

/** undefined: no request is dropped. */
function sheddingFor({ shedQueue: queue }: Config, queueOf: (pod: Pod) => number): AreFull | undefined {
  return queue === undefined ? undefined : createShedding({ queue, queueOf });
}
