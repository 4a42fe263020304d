/** The read path with an observer around it, and everything that it records. */
import type { Decision, RoutedDecision } from '../../src/domain.ts';
import { DecisionLog } from '../../src/explain/decision-log.ts';
import { tellDecision } from '../../src/explain/tell.ts';
import { PodsHealth } from '../../src/health/pods-health.ts';
import { createObserver } from '../../src/ops/observed.ts';
import { reportWorth } from '../../src/ops/worth-report.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { modelAtStart } from '../../src/prompt/model-at-start.ts';
import { parsePrompt } from '../../src/prompt/request.ts';
import { createCandidates } from '../../src/routing/candidates.ts';
import { Turns } from '../../src/routing/choice/turns.ts';
import { Load } from '../../src/routing/load.ts';
import { createPicker, DEFAULT_COSTS } from '../../src/routing/policy.ts';
import type { PrefixLookup } from '../../src/routing/prefix-lookup.ts';
import { ResponseOwners } from '../../src/routing/response-owners.ts';
import { createRoute, type Route, type RouteRequest, withoutPod } from '../../src/routing/route.ts';
import { TokenWork } from '../../src/routing/work/token-work.ts';
import { NO_CHAIN } from '../support/blocks.ts';
import {
  aPod,
  aPromptHistory,
  aStrategy,
  type LogLine,
  NO_SESSION,
  recordingLog,
  UNKNOWN_LOAD,
} from '../support/builders.ts';
import { type TestTelemetry, testTelemetry } from '../support/telemetry.ts';

const LIMITS = { imbalanceRequests: 8, standardDeviationFactor: 1, ...DEFAULT_COSTS };
export const SECRET = 'my diagnosis is private';
export const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
export const PARENT_ID = 'b7ad6b7169203331';
export const PODS = [aPod({ name: 'engine-0', port: 8000 }), aPod({ name: 'engine-1', port: 8001 })];

export function aRequest(given: Partial<RouteRequest> = {}): RouteRequest {
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
    body: Buffer.from(JSON.stringify({ model: 'demo', prompt: SECRET })),
    extent: 'whole',
    unroutable: 'reject',
    requestId: 'request-1',
    trace: {},
    ...given,
  };
}

export const aDecision = (given: Partial<RoutedDecision> = {}): RoutedDecision => ({
  ...{
    kind: 'routed',
    pod: PODS[0]!,
    retries: [PODS[1]!, PODS[0]!],
    rank: undefined,
    strategy: aStrategy(),
    reason: 'prefix_match',
  },
  ...{
    model: 'demo',
    withoutTokens: undefined,
    arm: 'routed',
    matchedBlocks: 1,
    totalBlocks: 2,
    offGpu: { cpu: 0, storage: 0 },
    tokens: { space: 'engine', prompt: 40, blockSizeTokens: 16, gpu: 16, cpu: 0, storage: 0 },
  },
  ...given,
});

export const deciding =
  (decision: Decision): Route =>
  async () =>
    withoutPod(decision);

/** Where the prefix is: three of four blocks on the second pod. */
export const lookup: PrefixLookup = (_tokens, _context, pods) => ({
  matchedBlocks: Uint32Array.from(pods, pod => (pod === PODS[1] ? 3 : 0)),
  totalBlocks: Uint32Array.from(pods, () => 4),
  matchedTokens: Uint32Array.from(pods, pod => (pod === PODS[1] ? 48 : 0)),
  adapter: undefined,
  offGpu: undefined,
  blockSizeOf: () => 16,
  hashingMs: 0,
  rankOf: () => undefined,
  hasRank: () => false,
  chainsFor: () => [],
  finest: () => NO_CHAIN,
  remember: () => () => {},
});

export interface Observing {
  readonly telemetry: TestTelemetry;
  readonly lines: readonly LogLine[];
  readonly observer: ReturnType<typeof createObserver>;
  readonly decisions: DecisionLog;
  /** The real read path, with stages that the test chooses. */
  route(stages?: { readonly tokenize?: () => Promise<never>; readonly lookup?: PrefixLookup }): Route;
}

export function observing(): Observing {
  const telemetry = testTelemetry();
  const { log, lines } = recordingLog();
  const { tracer, instruments } = telemetry;
  const decisions = new DecisionLog({
    tell: kept => tellDecision(kept, LIMITS),
  });
  const worth = reportWorth({ instruments, prefillSecondsPerToken: () => undefined });
  const observer = createObserver({
    tracer,
    instruments,
    log,
    worth,
    usesKvEvents: true,
    zone: 'a',
    decisions,
  });
  function route(stages: { tokenize?: () => Promise<never>; lookup?: PrefixLookup } = {}): Route {
    const registry = new PodRegistry();
    const health = new PodsHealth({ onChange: () => {} });
    registry.replace(PODS.map(pod => ({ spec: { ...pod, address: pod.ip }, pods: [pod] })));
    return observer.route(
      createRoute({
        parse: observer.parse(parsePrompt),
        modelAtStart,
        registry,
        candidates: createCandidates({ registry, health }),
        health,
        tokenize: observer.tokenize(
          stages.tokenize ?? (async () => ({ space: 'engine', ids: new Uint32Array(70) })),
        ),
        lookup: observer.lookup(stages.lookup ?? lookup),
        history: aPromptHistory(),
        confirmations: undefined,
        responses: new ResponseOwners({ maxResponses: 1, now: () => 0 }),
        pick: observer.pick(createPicker(LIMITS)),
        engineLoad: () => UNKNOWN_LOAD,
        load: new Load(),
        work: new TokenWork(() => 0),
        turns: new Turns(),
        drawsControl: () => false,
        zonePenalties: () => undefined,
        samples: { follow: () => undefined },
        shadowPolicy: undefined,
        onLeft: () => {},
        defaultStrategy: aStrategy(),
        areFull: undefined,
        retries: 2,
        deadlineMs: 60_000,
      }),
    );
  }

  return { telemetry, lines, observer, decisions, route };
}
