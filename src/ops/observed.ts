/**
 * Wrappers that record spans, metrics and logs around the stages of a decision. The stages return facts and know nothing
 * of telemetry.
 */
import {
  type Attributes,
  context,
  isValidTraceId,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanStatus,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import type { Decision, Reason, RoutedDecision } from '../domain.ts';
import { labelOf, usesPrefixes } from '../domain.ts';
import type { DecisionRecorder } from '../explain/decision-log.ts';
import { keptDecision } from '../explain/kept-decision.ts';
import type { Tokenizer } from '../prompt/tokenizer.ts';
import type { Picker } from '../routing/policy.ts';
import type { PrefixHasher, PrefixLookup } from '../routing/prefix-lookup.ts';
import { type Route, type RouteOutcome, type RouteParts, type Steering, whyLeft } from '../routing/route.ts';
import { zoneRelation } from '../routing/strategies/zone-penalties.ts';
import { wallClock } from '../time.ts';
import type { Stage } from './instruments/decisions.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';
import { createLogThrottle } from './log/log-throttle.ts';
import { reportRejection } from './rejections.ts';
import type { WorthReport } from './worth-report.ts';

export interface ObserverParts {
  readonly tracer: Tracer;
  readonly instruments: Instruments;
  readonly log: Logger;
  readonly worth: Pick<WorthReport, 'decided'>;
  /** AIBrix's label `using_kv_sync`. */
  readonly usesKvEvents: boolean;
  /** The router's own; undefined: not known. */
  readonly zone: string | undefined;
  readonly decisions: DecisionRecorder;
}

/** What AIBrix calls the ways to select a pod; reasons that it has no word for fell back to the least loaded pod. */
const SELECTIONS: Partial<Record<Reason, string>> = {
  prefix_match: 'prefix_match',
  prefix_match_skipped: 'prefix_match_skipped',
  history_match: 'prefix_match',
};

/** Reasons that are failures of a dependency, with AIBrix's word where it has one. */
const FAILURES: Partial<Record<Reason, string>> = {
  tokenizer_failed: 'tokenize_failed',
  deadline: 'deadline',
  index_failed: 'sync_indexer_unavailable',
};

/** Reasons that an operator should hear of. */
const TROUBLES: Partial<Record<Reason, string>> = {
  tokenizer_failed: 'a dependency failed',
  deadline: 'a dependency failed',
  index_failed: 'a dependency failed',
  late_body: 'the body took longer than WARMROUTE_BODY_TIMEOUT_MS',
  buffers_full: 'the bodies of all requests take more than WARMROUTE_MAX_BUFFERED_BYTES',
  unknown_encoding: 'the body has a content-encoding that is not known',
  too_intricate: 'the body has too many values to be parsed while others wait',
};

const UNSCORED =
  'a strategy is not heard: too few engines have said lately what it compares (their /metrics; docs/strategies.md)';

/** Where AIBrix does not ask its prefix router either: not part of its hit rate. */
const UNASKED: ReadonlySet<Reason> = new Set<Reason>([
  ...([
    'response_owner',
    'only_pod',
    'no_prompt',
    'late_body',
    'buffers_full',
    'unknown_encoding',
    'too_intricate',
    'any_pod',
  ] as const),
]);

/** OpenTelemetry's words for what an endpoint does (GenAI semantic conventions); it has none for the others. */
const OPERATIONS: ReadonlyMap<string, string> = new Map([
  ['/v1/chat/completions', 'chat'],
  ['/v1/messages', 'chat'],
  ['/v1/responses', 'chat'],
  ['/v1/completions', 'text_completion'],
  ['/v1/embeddings', 'embeddings'],
]);

const carrier = {
  get: (headers: Readonly<Record<string, string>>, key: string) => headers[key],
  keys: (headers: Readonly<Record<string, string>>) => Object.keys(headers),
};

export type Observer = ReturnType<typeof createObserver>;

export function createObserver(parts: ObserverParts) {
  const { tracer, instruments, log, worth, usesKvEvents, zone: ownZone, decisions } = parts;
  const propagator = new W3CTraceContextPropagator();
  const using_kv_sync = String(usesKvEvents);
  // A dead tokenizer, or a client that does not stop, must not bury everything else.
  const throttle = createLogThrottle(log);

  function recordDecision(decision: RoutedDecision, steering: Steering): void {
    const { model, reason, withoutTokens, matchedBlocks, totalBlocks, offGpu } = decision;
    if (reason === 'cancelled') return;
    const strategy = labelOf(decision.strategy);
    instruments.decisions.add(1, { model, strategy, reason });
    instruments.picks.add(1, { pod: decision.pod.name, model });
    instruments.zonePicks.add(1, { model, zone: zoneRelation(ownZone, decision.pod) });
    if (withoutTokens !== undefined) instruments.withoutTokens.add(1, { model, why: withoutTokens });
    const { cpu, storage } = offGpu;
    recordMatched(model, 'gpu', matchedBlocks - cpu - storage);
    recordMatched(model, 'cpu', cpu);
    recordMatched(model, 'storage', storage);
    instruments.promptBlocks.add(totalBlocks, { model });
    // Of a request that is left to Envoy the pod is known when it answers.
    const why = whyLeft(steering);
    if (why === undefined) worth.decided(decision);
    else instruments.left.add(1, { model, why });
    if (!isByPrefix(decision.strategy) || UNASKED.has(reason)) return;
    const bucket = matchBucket(matchedBlocks, totalBlocks);
    instruments.aibrix.decisions.add(1, { model, match_percent_bucket: bucket, using_kv_sync });
    const selection = SELECTIONS[reason] ?? 'least_request_fallback';
    instruments.aibrix.selections.add(1, { model, selection, using_kv_sync });
    const failure = FAILURES[withoutTokens ?? reason];
    if (failure !== undefined) instruments.aibrix.errors.add(1, { model, reason: failure, using_kv_sync });
  }

  /**
   * Counts the request when it is over, by how it was answered, and takes down who served it.
   * @param kept the number of its decision
   */
  function countedAtEnd(
    outcome: RouteOutcome,
    { model }: RoutedDecision,
    { kept, startedAt }: { readonly kept: number; readonly startedAt: number },
  ): RouteOutcome {
    let status = 'unseen';
    let isOver = false;
    return {
      ...outcome,
      // What the decision was made of is not needed for as long as the answer lasts.
      course: undefined,
      answered(answer, encoding) {
        status = statusLabel(answer.status);
        const server = outcome.answered(answer, encoding);
        decisions.served(kept, {
          status: answer.status || 0,
          pod: server?.name ?? answer.servedBy ?? 'unknown',
          answeredMs: Math.round(performance.now() - startedAt),
        });
        return server;
      },
      release() {
        outcome.release();
        if (isOver) return;
        isOver = true;
        instruments.ended.add(1, { model, status });
      },
    };
  }

  function recordMatched(model: string, tier: 'gpu' | 'cpu' | 'storage', blocks: number): void {
    if (blocks > 0) instruments.matchedBlocks.add(blocks, { model, tier });
  }

  /** Runs a stage, timed, and as a child span where its decision is traced. A failure marks the span and goes on to the caller. */
  function stage<T>(name: Stage, work: () => T): T {
    const isTraced = trace.getActiveSpan()?.isRecording() === true;
    return isTraced ? tracer.startActiveSpan(name, span => run(name, work, span)) : run(name, work);
  }

  function run<T>(name: Stage, work: () => T, span?: Span): T {
    const started = performance.now();
    let result: T;
    try {
      result = work();
    } catch (error) {
      fail(name, started, span, error);
      throw error;
    }
    if (result instanceof Promise) {
      return result.then(
        value => {
          finish(name, started, span);
          return value;
        },
        error => {
          fail(name, started, span, error);
          throw error;
        },
      ) as T;
    }
    finish(name, started, span);
    return result;
  }

  function finish(name: Stage, started: number, span: Span | undefined): void {
    instruments.stageSeconds.record((performance.now() - started) / 1000, { stage: name });
    span?.end();
  }

  function fail(name: Stage, started: number, span: Span | undefined, error: unknown): void {
    span?.setStatus(failedWith(error));
    finish(name, started, span);
  }

  return {
    route(route: Route): Route {
      return (request, signal) => {
        const parent = propagator.extract(ROOT_CONTEXT, request.trace, carrier);
        return tracer.startActiveSpan('warmroute.route', { kind: SpanKind.SERVER }, parent, async span => {
          const started = performance.now();
          const { traceId } = span.spanContext();
          const ids = { requestId: request.requestId, ...(isValidTraceId(traceId) && { traceId }) };
          span.setAttribute('warmroute.request_id', request.requestId);
          const operation = OPERATIONS.get(request.path);
          if (operation !== undefined) span.setAttribute('gen_ai.operation.name', operation);
          const outcome = await route(request, signal).catch(error => {
            span.setStatus(failedWith(error));
            span.end();
            throw error;
          });
          const { decision, course } = outcome;
          const tookMs = performance.now() - started;
          const tookSeconds = tookMs / 1000;
          const kept = decisions.add(
            keptDecision({ request, traceId: ids.traceId, atMs: wallClock(), decision, course, tookMs }),
          );
          instruments.decisionSeconds.record(tookSeconds, { outcome: outcomeOf(decision) });
          if (decision.kind === 'rejected') {
            span.setAttribute('error.type', decision.error.kind);
            reportRejection({ instruments, log, throttle }, decision.error.kind, request.steering, {
              ...ids,
              path: request.path,
            });
          } else if (decision.kind === 'undecided') {
            span.setAttribute('warmroute.reason', request.extent);
            log.debug(() => ({ ...ids, why: request.extent }), 'request left undecided');
          } else if (decision.kind === 'passed') {
            instruments.passed.add(1, { model: decision.model });
            span.setAttributes({ 'gen_ai.request.model': decision.model, 'warmroute.reason': 'passed' });
            log.debug(() => ({ ...ids, model: decision.model }), 'request passed on');
          } else {
            recordDecision(decision, request.steering);
            if (isByPrefix(decision.strategy)) {
              instruments.aibrix.latency.record(tookSeconds, { model: decision.model, using_kv_sync });
            }
            const left = whyLeft(request.steering);
            if (span.isRecording())
              span.setAttributes({ ...attributesOf(decision), ...(left && { 'warmroute.left': left }) });
            const fields = () => ({ ...ids, ...logFieldsOf(decision), ...(left && { left }) });
            const why = decision.withoutTokens ?? decision.reason;
            const trouble = TROUBLES[why];
            const isTold =
              trouble !== undefined &&
              throttle.warn(why, fields(), `routed without knowing who holds the prompt: ${trouble}`) ===
                'written';
            if (!isTold) log.debug(fields, 'request routed');
          }
          span.end();
          return decision.kind === 'routed'
            ? countedAtEnd(outcome, decision, { kept, startedAt: started })
            : outcome;
        });
      };
    },

    parse(parse: RouteParts['parse']): RouteParts['parse'] {
      return (path, contentType, body, defaultModel) =>
        stage('parse', () => parse(path, contentType, body, defaultModel));
    },

    hasher(hasher: PrefixHasher): PrefixHasher {
      return {
        root: (context, form) => hasher.root(context, form),
        chain: (root, ids, sizeTokens, extras, lookahead) =>
          stage('hash', () => hasher.chain(root, ids, sizeTokens, extras, lookahead)),
      };
    },

    tokenize(tokenize: Tokenizer['tokenize']): Tokenizer['tokenize'] {
      return (prompt, pods, signal) =>
        stage('tokenize', async () => {
          const tokens = await tokenize(prompt, pods, signal);
          trace.getSpan(context.active())?.setAttribute('warmroute.tokens', tokens.ids.length);
          return tokens;
        });
    },

    lookup(lookup: PrefixLookup): PrefixLookup {
      return (tokens, promptContext, pods) =>
        stage('match', () => {
          try {
            return lookup(tokens, promptContext, pods);
          } catch (error) {
            throttle.error(
              'index',
              { err: error },
              'unexpected error in the index; the request is routed by load',
            );
            throw error;
          }
        });
    },

    pick(pick: Picker): Picker {
      return (strategy, snapshot) =>
        stage('decide', () => {
          const chosen = pick(strategy, snapshot);
          if (chosen.comparison.kind === 'prefix' && chosen.comparison.imbalanced) {
            const { model } = snapshot.pods[chosen.index]!;
            instruments.aibrix.imbalances.add(1, { model, using_kv_sync });
          }
          for (const name of chosen.unscored) {
            instruments.unscored.add(1, { strategy: name });
            throttle.warn(`unscored ${name}`, { strategy: name }, UNSCORED);
          }
          return chosen;
        });
    },
  };
}

/** Whether AIBrix would count it as a decision of its prefix router. */
function isByPrefix(strategy: RoutedDecision['strategy']): boolean {
  return strategy.kind === 'single' && usesPrefixes(strategy);
}

/** One of five hundred, whatever has answered. */
function statusLabel(status: number): string {
  return Number.isInteger(status) && status >= 100 && status < 600 ? String(status) : 'unseen';
}

function outcomeOf(decision: Decision): Decision['kind'] | 'cancelled' {
  return decision.kind === 'routed' && decision.reason === 'cancelled' ? 'cancelled' : decision.kind;
}

/** Name and kind only: the message of an error may hold a piece of the prompt that it is about. */
function failedWith(error: unknown): SpanStatus {
  const { name = 'unknown', kind } = error as { readonly name?: string; readonly kind?: string };
  return { code: SpanStatusCode.ERROR, message: kind === undefined ? name : `${name}: ${kind}` };
}

/** AIBrix's buckets of the matched share. */
export function matchBucket(matchedBlocks: number, totalBlocks: number): string {
  const percent = totalBlocks === 0 ? 0 : Math.floor((100 * matchedBlocks) / totalBlocks);
  if (percent === 0) return '0';
  if (percent <= 25) return '1-25';
  if (percent <= 50) return '26-50';
  return percent <= 75 ? '51-75' : '76-100';
}

function attributesOf(decision: RoutedDecision): Attributes {
  const { arm, tokens } = decision;
  return {
    'gen_ai.request.model': decision.model,
    // What only this router counts by would pass for what the engine counts.
    ...(tokens?.space === 'engine' && { 'gen_ai.usage.input_tokens': tokens.prompt }),
    'server.address': decision.pod.ip,
    'server.port': decision.pod.port,
    'warmroute.pod': decision.pod.name,
    ...(decision.rank !== undefined && { 'warmroute.rank': decision.rank }),
    'warmroute.strategy': labelOf(decision.strategy),
    'warmroute.reason': decision.reason,
    ...(decision.withoutTokens && { 'warmroute.without_tokens': decision.withoutTokens }),
    ...(arm && { 'warmroute.arm': arm }),
    ...(tokens && { 'warmroute.predicted_cached_tokens': tokens.gpu + tokens.cpu + tokens.storage }),
    'warmroute.matched_blocks': decision.matchedBlocks,
    'warmroute.total_blocks': decision.totalBlocks,
    'warmroute.matched_blocks.cpu': decision.offGpu.cpu,
    'warmroute.matched_blocks.storage': decision.offGpu.storage,
  };
}

function logFieldsOf({ pod, ...decision }: RoutedDecision) {
  const { model, reason, withoutTokens, matchedBlocks, totalBlocks } = decision;
  const strategy = labelOf(decision.strategy);
  return {
    ...{ pod: pod.name, model, strategy, reason, ...(withoutTokens && { withoutTokens }) },
    ...{ matchedBlocks, totalBlocks },
  };
}
