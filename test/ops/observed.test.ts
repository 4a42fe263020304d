import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { assert } from 'chai';
import type { Decision } from '../../src/domain.ts';
import { TokenizerError } from '../../src/prompt/tokenizer.ts';
import type { PrefixLookup } from '../../src/routing/prefix-lookup.ts';
import {
  aDecision,
  aRequest,
  deciding,
  lookup,
  type Observing,
  observing,
  PARENT_ID,
  SECRET,
  TRACE_ID,
} from './observing.ts';

describe('observed decisions', () => {
  const never = new AbortController().signal;
  let observed: Observing;

  beforeEach(() => {
    observed = observing();
  });
  afterEach(() => observed.telemetry.stop());

  function named(spans: readonly ReadableSpan[], name: string): ReadableSpan {
    const found = spans.filter(span => span.name === name);
    assert.lengthOf(found, 1, name);
    return found[0]!;
  }

  describe('as spans', () => {
    it('are a span with the children parse, tokenize, match and decide', async () => {
      await observed.route()(aRequest(), never);
      const spans = await observed.telemetry.finishedSpans();
      const root = named(spans, 'warmroute.route');
      assert.equal(root.kind, SpanKind.SERVER);
      assert.isUndefined(root.parentSpanContext);
      assert.sameMembers(
        spans.map(span => span.name),
        ['warmroute.route', 'parse', 'tokenize', 'match', 'decide'],
      );
      for (const name of ['parse', 'tokenize', 'match', 'decide']) {
        const child = named(spans, name);
        assert.equal(child.parentSpanContext?.spanId, root.spanContext().spanId, name);
        assert.equal(child.spanContext().traceId, root.spanContext().traceId, name);
        assert.equal(child.status.code, SpanStatusCode.UNSET, name);
      }
      assert.deepEqual(named(spans, 'tokenize').attributes, { 'warmroute.tokens': 70 });
    });

    it('say what was decided', async () => {
      await observed.route()(aRequest(), never);
      const root = named(await observed.telemetry.finishedSpans(), 'warmroute.route');
      assert.deepEqual(root.attributes, {
        'warmroute.request_id': 'request-1',
        'gen_ai.request.model': 'demo',
        'gen_ai.operation.name': 'text_completion',
        'gen_ai.usage.input_tokens': 70,
        'server.address': '127.0.0.1',
        'server.port': 8001,
        'warmroute.arm': 'routed',
        'warmroute.predicted_cached_tokens': 48,
        'warmroute.pod': 'engine-1',
        'warmroute.strategy': 'prefix-cache',
        'warmroute.reason': 'prefix_match',
        'warmroute.matched_blocks': 3,
        'warmroute.total_blocks': 4,
        'warmroute.matched_blocks.cpu': 0,
        'warmroute.matched_blocks.storage': 0,
      });
    });

    it('say which requests Envoy balances, and why', async () => {
      for (const steering of ['left', 'observed', 'steered'] as const)
        await observed.route()(aRequest({ steering }), never);
      const roots = (await observed.telemetry.finishedSpans()).filter(
        ({ name }) => name === 'warmroute.route',
      );
      assert.deepEqual(
        roots.map(({ attributes }) => attributes['warmroute.left']),
        ['rollout', 'shadow', undefined],
      );
    });

    it('say how much of what is held is not on the GPU', async () => {
      const offGpu = { cpu: Uint32Array.of(9, 2), storage: Uint32Array.of(9, 1) };
      const offloaded: PrefixLookup = (...asked) => ({ ...lookup(...asked), offGpu });
      await observed.route({ lookup: offloaded })(aRequest(), never);
      const { attributes } = named(await observed.telemetry.finishedSpans(), 'warmroute.route');
      assert.include(attributes, {
        'warmroute.matched_blocks': 3,
        'warmroute.matched_blocks.cpu': 2,
        'warmroute.matched_blocks.storage': 1,
      });
    });

    it('continue the trace of the caller', async () => {
      const traceparent = `00-${TRACE_ID}-${PARENT_ID}-01`;
      await observed.route()(aRequest({ trace: { traceparent, tracestate: 'vendor=1' } }), never);
      const root = named(await observed.telemetry.finishedSpans(), 'warmroute.route');
      assert.equal(root.spanContext().traceId, TRACE_ID);
      assert.equal(root.parentSpanContext?.spanId, PARENT_ID);
      assert.equal(root.spanContext().traceState?.serialize(), 'vendor=1');
    });

    it('start a trace when what the caller sent is none', async () => {
      await observed.route()(aRequest({ trace: { traceparent: 'junk' } }), never);
      const root = named(await observed.telemetry.finishedSpans(), 'warmroute.route');
      assert.isUndefined(root.parentSpanContext);
    });

    it('do not mix when requests are decided at the same time', async () => {
      const route = observed.route();
      await Promise.all([
        route(aRequest({ requestId: 'a' }), never),
        route(aRequest({ requestId: 'b' }), never),
      ]);
      const spans = await observed.telemetry.finishedSpans();
      for (const root of spans.filter(span => span.name === 'warmroute.route')) {
        const children = spans.filter(span => span.parentSpanContext?.spanId === root.spanContext().spanId);
        assert.sameMembers(
          children.map(span => span.name),
          ['parse', 'tokenize', 'match', 'decide'],
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
        const { decision } = await observed.route({ tokenize })(aRequest(), never);
        assert.equal(decision.kind, 'routed');
        const spans = await observed.telemetry.finishedSpans();
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
      await observed.route({ lookup: failing })(aRequest(), never);
      const spans = await observed.telemetry.finishedSpans();
      assert.deepEqual(named(spans, 'match').status, { code: SpanStatusCode.ERROR, message: 'RangeError' });
    });

    it('name the error that a request was answered with', async () => {
      await observed.route()(aRequest({ body: Buffer.from('{"model":"unheard-of","prompt":"x"}') }), never);
      const root = named(await observed.telemetry.finishedSpans(), 'warmroute.route');
      assert.deepEqual(root.attributes, {
        'warmroute.request_id': 'request-1',
        'error.type': 'unknown_model',
        'gen_ai.operation.name': 'text_completion',
      });
    });

    it('end also when the decision itself fails, and the failure goes on', async () => {
      const route = observed.observer.route(() => Promise.reject(new TypeError('bug')));
      const error = await route(aRequest(), never).catch((reason: unknown) => reason);
      assert.instanceOf(error, TypeError);
      const root = named(await observed.telemetry.finishedSpans(), 'warmroute.route');
      assert.deepEqual(root.status, { code: SpanStatusCode.ERROR, message: 'TypeError' });
    });
  });

  describe('as log lines', () => {
    it('are for debugging when all is well, with the ids of request and trace', async () => {
      const traceparent = `00-${TRACE_ID}-${PARENT_ID}-01`;
      await observed.route()(aRequest({ trace: { traceparent } }), never);
      const [line, ...others] = observed.lines;
      assert.isEmpty(others);
      assert.equal(line?.level, 'debug');
      assert.deepInclude(line?.fields, {
        ...{ requestId: 'request-1', traceId: TRACE_ID, pod: 'engine-1', model: 'demo' },
        ...{ strategy: 'prefix-cache', reason: 'prefix_match', matchedBlocks: 3, totalBlocks: 4 },
      });
    });

    it('warn when a dependency failed, once for many requests, of which each has a line for debugging', async () => {
      const route = observed.route({
        tokenize: () => Promise.reject(new TokenizerError('unavailable', SECRET)),
      });
      for (let i = 0; i < 3; i++) await route(aRequest(), never);
      const [line, ...others] = observed.lines;
      assert.deepEqual(
        others.map(({ level, message }) => [level, message]),
        [
          ['debug', 'request routed'],
          ['debug', 'request routed'],
        ],
      );
      assert.equal(line?.level, 'warn');
      for (const { fields } of observed.lines)
        assert.deepInclude(fields, { requestId: 'request-1', withoutTokens: 'tokenizer_failed' });
      assert.match(String(line?.fields.traceId), /^[0-9a-f]{32}$/);
    });

    it('tell of rejected requests, without their content', async () => {
      await observed.route()(aRequest({ body: Buffer.from(`{"model":"demo","prompt":"${SECRET}`) }), never);
      const [line] = observed.lines;
      assert.equal(line?.level, 'info');
      assert.deepInclude(line?.fields, {
        ...{ requestId: 'request-1', path: '/v1/completions', error: 'malformed_body' },
      });
    });

    it('are one for many rejected requests, or many errors of one kind', async () => {
      const failing: PrefixLookup = () => {
        throw new RangeError('full');
      };
      const route = observed.route({ lookup: failing });
      for (let i = 0; i < 3; i++) {
        await route(aRequest(), never);
        await route(aRequest({ body: Buffer.from('{"model":"unheard-of","prompt":"x"}') }), never);
      }
      assert.deepEqual(
        observed.lines
          .filter(({ level }) => level !== 'debug')
          .map(({ level, message }) => [level, message.split(/[:;]/)[0]]),
        [
          ['error', 'unexpected error in the index'],
          ['warn', 'routed without knowing who holds the prompt'],
          ['info', 'request rejected'],
        ],
      );
    });

    it('are one for each decision, whatever it came to', async () => {
      const decisions: Decision[] = [
        aDecision(),
        aDecision({ reason: 'late_body' }),
        aDecision({ reason: 'late_body' }),
        { kind: 'undecided' },
        { kind: 'passed', model: 'demo' },
        { kind: 'rejected', error: { kind: 'no_ready_pod', model: 'demo' } },
        { kind: 'rejected', error: { kind: 'no_ready_pod', model: 'demo' } },
      ];
      for (const decision of decisions)
        await observed.observer.route(deciding(decision))(aRequest({ extent: 'late_body' }), never);
      assert.deepEqual(
        observed.lines.map(({ level, fields }) => [level, fields.requestId]),
        ['debug', 'warn', 'debug', 'debug', 'debug', 'info', 'debug'].map(level => [level, 'request-1']),
      );
    });

    it('never hold the prompt', async () => {
      await observed.route()(aRequest(), never);
      await observed.route({ tokenize: () => Promise.reject(new SyntaxError(SECRET)) })(aRequest(), never);
      await observed.route()(aRequest({ body: Buffer.from(`{"model":"demo","prompt":"${SECRET}`) }), never);
      assert.lengthOf(observed.lines, 3);
      assert.notInclude(JSON.stringify(observed.lines), SECRET);
    });
  });
});
