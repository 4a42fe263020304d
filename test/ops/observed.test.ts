import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { assert } from 'chai';
import type { Decision, Reason, RoutedDecision } from '../../src/domain.ts';
import { createObserver, matchBucket } from '../../src/ops/observed.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { parsePrompt } from '../../src/prompt/request.ts';
import { TokenizerError } from '../../src/prompt/tokenizer.ts';
import { Load } from '../../src/routing/load.ts';
import { policies } from '../../src/routing/policy.ts';
import type { PrefixLookup } from '../../src/routing/prefix-lookup.ts';
import { createRoute, type Route, type RouteRequest } from '../../src/routing/route.ts';
import { aPod, recordingLog } from '../support/builders.ts';
import { samplesOf, type TestTelemetry, testTelemetry } from '../support/telemetry.ts';

const SECRET = 'my diagnosis is private';
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const PODS = [aPod({ name: 'engine-0', port: 8000 }), aPod({ name: 'engine-1', port: 8001 })];

function aRequest(given: Partial<RouteRequest> = {}): RouteRequest {
  return {
    path: '/v1/completions',
    contentType: 'application/json',
    strategy: undefined,
    body: Buffer.from(JSON.stringify({ model: 'demo', prompt: SECRET })),
    requestId: 'request-1',
    trace: {},
    ...given,
  };
}

const aDecision = (given: Partial<RoutedDecision> = {}): RoutedDecision => ({
  ...{ kind: 'routed', pod: PODS[0]!, strategy: 'prefix-cache', reason: 'prefix_match' },
  ...{ model: 'demo', matchedBlocks: 1, totalBlocks: 2 },
  ...given,
});

const deciding =
  (decision: Decision): Route =>
  async () => ({ decision, release: () => {} });

/** Where the prefix is: three of four blocks on the second pod. */
const lookup: PrefixLookup = () => ({
  of: pod => ({ matchedBlocks: pod === PODS[1] ? 3 : 0, totalBlocks: 4 }),
  remember: () => {},
});

describe('observed decisions', () => {
  let telemetry: TestTelemetry;
  let logged: ReturnType<typeof recordingLog>;
  const never = new AbortController().signal;

  beforeEach(() => {
    telemetry = testTelemetry();
    logged = recordingLog();
  });
  afterEach(() => telemetry.stop());

  const observer = () => {
    const { tracer, instruments } = telemetry;
    return createObserver({ tracer, instruments, log: logged.log, usesKvEvents: true });
  };

  /** The real read path, with stages that the test chooses. */
  function observedRoute(stages: { tokenize?: () => Promise<never>; lookup?: PrefixLookup } = {}): Route {
    const observed = observer();
    const registry = new PodRegistry();
    registry.replace(PODS.map(pod => ({ spec: { ...pod, address: pod.ip }, pods: [pod] })));
    return observed.route(
      createRoute({
        parse: parsePrompt,
        registry,
        tokenize: observed.tokenize(
          stages.tokenize ?? (async () => ({ space: 'engine', ids: new Uint32Array(70) })),
        ),
        lookup: observed.lookup(stages.lookup ?? lookup),
        policies: observed.policies(policies({ imbalanceRequests: 8, standardDeviationFactor: 1 })),
        load: new Load(),
        defaultStrategy: 'prefix-cache',
        deadlineMs: 60_000,
      }),
    );
  }

  function named(spans: readonly ReadableSpan[], name: string): ReadableSpan {
    const found = spans.filter(span => span.name === name);
    assert.lengthOf(found, 1, name);
    return found[0]!;
  }

  describe('as spans', () => {
    it('are a span with the children tokenize, match and decide', async () => {
      await observedRoute()(aRequest(), never);
      const spans = await telemetry.finishedSpans();
      const root = named(spans, 'warmroute.route');
      assert.equal(root.kind, SpanKind.SERVER);
      assert.isUndefined(root.parentSpanContext);
      assert.sameMembers(
        spans.map(span => span.name),
        ['warmroute.route', 'tokenize', 'match', 'decide'],
      );
      for (const name of ['tokenize', 'match', 'decide']) {
        const child = named(spans, name);
        assert.equal(child.parentSpanContext?.spanId, root.spanContext().spanId, name);
        assert.equal(child.spanContext().traceId, root.spanContext().traceId, name);
        assert.equal(child.status.code, SpanStatusCode.UNSET, name);
      }
      assert.deepEqual(named(spans, 'tokenize').attributes, { 'warmroute.tokens': 70 });
    });

    it('say what was decided', async () => {
      await observedRoute()(aRequest(), never);
      const root = named(await telemetry.finishedSpans(), 'warmroute.route');
      assert.deepEqual(root.attributes, {
        'warmroute.request_id': 'request-1',
        'gen_ai.request.model': 'demo',
        'server.address': '127.0.0.1:8001',
        'warmroute.pod': 'engine-1',
        'warmroute.strategy': 'prefix-cache',
        'warmroute.reason': 'prefix_match',
        'warmroute.matched_blocks': 3,
        'warmroute.total_blocks': 4,
      });
    });

    it('continue the trace of the caller', async () => {
      const traceparent = `00-${TRACE_ID}-${PARENT_ID}-01`;
      await observedRoute()(aRequest({ trace: { traceparent, tracestate: 'vendor=1' } }), never);
      const root = named(await telemetry.finishedSpans(), 'warmroute.route');
      assert.equal(root.spanContext().traceId, TRACE_ID);
      assert.equal(root.parentSpanContext?.spanId, PARENT_ID);
      assert.equal(root.spanContext().traceState?.serialize(), 'vendor=1');
    });

    it('start a trace when what the caller sent is none', async () => {
      await observedRoute()(aRequest({ trace: { traceparent: 'junk' } }), never);
      const root = named(await telemetry.finishedSpans(), 'warmroute.route');
      assert.isUndefined(root.parentSpanContext);
    });

    it('do not mix when requests are decided at the same time', async () => {
      const route = observedRoute();
      await Promise.all([
        route(aRequest({ requestId: 'a' }), never),
        route(aRequest({ requestId: 'b' }), never),
      ]);
      const spans = await telemetry.finishedSpans();
      for (const root of spans.filter(span => span.name === 'warmroute.route')) {
        const children = spans.filter(span => span.parentSpanContext?.spanId === root.spanContext().spanId);
        assert.sameMembers(
          children.map(span => span.name),
          ['tokenize', 'match', 'decide'],
        );
      }
    });

    const failures: [string, () => Promise<never>, string][] = [
      [
        'a tokenizer that is down',
        () => Promise.reject(new TokenizerError('unavailable', SECRET)),
        'TokenizerError: unavailable',
      ],
      ['a bug', () => Promise.reject(new SyntaxError(`in ${SECRET}`)), 'SyntaxError'],
      ['something that is no error', () => Promise.reject(SECRET), 'unknown'],
    ];
    for (const [name, tokenize, message] of failures) {
      it(`mark the stage that failed by ${name}, without its words`, async () => {
        const { decision } = await observedRoute({ tokenize })(aRequest(), never);
        assert.equal(decision.kind, 'routed');
        const spans = await telemetry.finishedSpans();
        assert.deepEqual(named(spans, 'tokenize').status, { code: SpanStatusCode.ERROR, message });
        assert.notInclude(
          JSON.stringify(spans.map(span => [span.attributes, span.status, span.events])),
          SECRET,
        );
      });
    }

    it('mark a stage that throws', async () => {
      const failing: PrefixLookup = () => {
        throw new RangeError('full');
      };
      await observedRoute({ lookup: failing })(aRequest(), never);
      const spans = await telemetry.finishedSpans();
      assert.deepEqual(named(spans, 'match').status, { code: SpanStatusCode.ERROR, message: 'RangeError' });
    });

    it('name the error that a request was answered with', async () => {
      await observedRoute()(aRequest({ body: Buffer.from('{"model":"unheard-of","prompt":"x"}') }), never);
      const root = named(await telemetry.finishedSpans(), 'warmroute.route');
      assert.deepEqual(root.attributes, {
        'warmroute.request_id': 'request-1',
        'error.type': 'unknown_model',
      });
    });

    it('end also when the decision itself fails, and the failure goes on', async () => {
      const route = observer().route(() => Promise.reject(new TypeError('bug')));
      const error = await route(aRequest(), never).catch((reason: unknown) => reason);
      assert.instanceOf(error, TypeError);
      const root = named(await telemetry.finishedSpans(), 'warmroute.route');
      assert.deepEqual(root.status, { code: SpanStatusCode.ERROR, message: 'TypeError' });
    });
  });

  describe('as metrics', () => {
    async function metricsAfter(decision: Decision): Promise<(name: string) => string[]> {
      await observer().route(deciding(decision))(aRequest(), never);
      const text = await telemetry.scrape();
      return name => samplesOf(name, text);
    }

    it('count under AIBrix’s names and labels', async () => {
      const metric = await metricsAfter(aDecision());
      assert.deepEqual(metric('aibrix_prefix_cache_routing_decisions_total'), [
        'aibrix_prefix_cache_routing_decisions_total{model="demo",match_percent_bucket="26-50",using_kv_sync="true"} 1',
      ]);
      assert.deepEqual(metric('aibrix_prefix_cache_routing_selection_total'), [
        'aibrix_prefix_cache_routing_selection_total{model="demo",selection="prefix_match",using_kv_sync="true"} 1',
      ]);
      assert.deepEqual(metric('aibrix_prefix_cache_routing_latency_seconds_count'), [
        'aibrix_prefix_cache_routing_latency_seconds_count{model="demo",using_kv_sync="true"} 1',
      ]);
      assert.lengthOf(metric('aibrix_prefix_cache_routing_latency_seconds_bucket'), 16);
      assert.isEmpty(metric('aibrix_prefix_cache_routing_errors_total'));
    });

    it('count under our own', async () => {
      const metric = await metricsAfter(aDecision({ matchedBlocks: 3, totalBlocks: 4 }));
      assert.deepEqual(
        [
          ...metric('warmroute_decisions_total'),
          ...metric('warmroute_matched_blocks_total'),
          ...metric('warmroute_prompt_blocks_total'),
        ],
        [
          'warmroute_decisions_total{model="demo",strategy="prefix-cache",reason="prefix_match"} 1',
          'warmroute_matched_blocks_total{model="demo"} 3',
          'warmroute_prompt_blocks_total{model="demo"} 4',
        ],
      );
    });

    const selections: [Reason, string, string | undefined][] = [
      ['prefix_match', 'prefix_match', undefined],
      ['prefix_match_skipped', 'prefix_match_skipped', undefined],
      ['no_match', 'least_request_fallback', undefined],
      ['only_pod', 'least_request_fallback', undefined],
      ['no_prompt', 'least_request_fallback', undefined],
      ['tokenizer_failed', 'least_request_fallback', 'tokenize_failed'],
      ['deadline', 'least_request_fallback', 'deadline'],
      ['index_failed', 'least_request_fallback', 'sync_indexer_unavailable'],
    ];
    for (const [reason, selection, failure] of selections) {
      it(`count ${reason} as selection ${selection} and error ${failure ?? 'none'}`, async () => {
        const metric = await metricsAfter(aDecision({ reason }));
        assert.include(metric('aibrix_prefix_cache_routing_selection_total')[0], `selection="${selection}"`);
        const errors = metric('aibrix_prefix_cache_routing_errors_total');
        assert.lengthOf(errors, failure === undefined ? 0 : 1);
        if (failure !== undefined) assert.include(errors[0], `reason="${failure}"`);
      });
    }

    it('of other strategies do not count as AIBrix’s prefix-cache ones', async () => {
      const metric = await metricsAfter(aDecision({ strategy: 'random', reason: 'random' }));
      assert.lengthOf(metric('warmroute_decisions_total'), 1);
      assert.isEmpty(metric('aibrix_prefix_cache_routing_decisions_total'));
      assert.isEmpty(metric('aibrix_prefix_cache_routing_latency_seconds_count'));
    });

    it('count rejections by kind, never by what the client wrote', async () => {
      const metric = await metricsAfter({
        kind: 'rejected',
        error: { kind: 'unknown_model', model: SECRET },
      });
      assert.deepEqual(metric('warmroute_rejections_total'), [
        'warmroute_rejections_total{kind="unknown_model"} 1',
      ]);
      assert.notInclude(await telemetry.scrape(), SECRET);
    });

    it('time each stage', async () => {
      await observedRoute()(aRequest(), never);
      const text = await telemetry.scrape();
      for (const stage of ['tokenize', 'match', 'decide']) {
        assert.include(text, `warmroute_stage_seconds_count{stage="${stage}"} 1`);
      }
    });

    it('count where the load was too uneven for the prefix', async () => {
      const observed = observer().policies(policies({ imbalanceRequests: 8, standardDeviationFactor: 1 }));
      const candidates = PODS.map((pod, i) => ({ pod, running: 9 * i, matchedBlocks: 0, totalBlocks: 0 }));
      observed['prefix-cache']({ candidates, random: () => 0, turn: 0 });
      observed.random({ candidates, random: () => 0, turn: 0 });
      assert.deepEqual(samplesOf('aibrix_prefix_cache_load_imbalance_total', await telemetry.scrape()), [
        'aibrix_prefix_cache_load_imbalance_total{model="demo",using_kv_sync="true"} 1',
      ]);
    });
  });

  describe('as log lines', () => {
    it('are for debugging when all is well, with the ids of request and trace', async () => {
      const traceparent = `00-${TRACE_ID}-${PARENT_ID}-01`;
      await observedRoute()(aRequest({ trace: { traceparent } }), never);
      const [line, ...others] = logged.lines;
      assert.isEmpty(others);
      assert.equal(line?.level, 'debug');
      assert.deepInclude(line?.fields, {
        ...{ requestId: 'request-1', traceId: TRACE_ID, pod: 'engine-1', model: 'demo' },
        ...{ strategy: 'prefix-cache', reason: 'prefix_match', matchedBlocks: 3, totalBlocks: 4 },
      });
    });

    it('warn when a dependency failed, once for many requests', async () => {
      const route = observedRoute({
        tokenize: () => Promise.reject(new TokenizerError('unavailable', SECRET)),
      });
      for (let i = 0; i < 3; i++) await route(aRequest(), never);
      const [line, ...others] = logged.lines;
      assert.isEmpty(others);
      assert.equal(line?.level, 'warn');
      assert.deepInclude(line?.fields, { requestId: 'request-1', reason: 'tokenizer_failed' });
      assert.match(String(line?.fields.traceId), /^[0-9a-f]{32}$/);
    });

    it('tell of rejected requests, without their content', async () => {
      await observedRoute()(aRequest({ body: Buffer.from(`{"model":"demo","prompt":"${SECRET}`) }), never);
      const [line] = logged.lines;
      assert.equal(line?.level, 'info');
      assert.deepInclude(line?.fields, {
        ...{ requestId: 'request-1', path: '/v1/completions', error: 'malformed_body' },
      });
    });

    it('never hold the prompt', async () => {
      await observedRoute()(aRequest(), never);
      await observedRoute({ tokenize: () => Promise.reject(new SyntaxError(SECRET)) })(aRequest(), never);
      await observedRoute()(aRequest({ body: Buffer.from(`{"model":"demo","prompt":"${SECRET}`) }), never);
      assert.lengthOf(logged.lines, 3);
      assert.notInclude(JSON.stringify(logged.lines), SECRET);
    });
  });
});

describe('AIBrix’s buckets of the matched share', () => {
  const table: [number, number, string][] = [
    ...([
      [0, 0, '0'],
      [0, 10, '0'],
      [1, 200, '0'],
      [1, 100, '1-25'],
      [25, 100, '1-25'],
    ] as const),
    ...([
      [26, 100, '26-50'],
      [1, 2, '26-50'],
      [51, 100, '51-75'],
      [3, 4, '51-75'],
    ] as const),
    ...([
      [76, 100, '76-100'],
      [4, 4, '76-100'],
    ] as const),
  ].map(([matched, total, bucket]) => [matched, total, bucket]);
  for (const [matched, total, bucket] of table) {
    it(`${matched} of ${total} blocks: ${bucket}`, () => assert.equal(matchBucket(matched, total), bucket));
  }
});
