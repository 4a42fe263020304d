import { context, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { assert } from 'chai';
import { traceTokenizerCalls } from '../../src/ops/tokenizer-spans.ts';
import { createRemoteTokenizer } from '../../src/prompt/engine/remote-tokenizer.ts';
import { parsePrompt } from '../../src/prompt/request.ts';
import { TokenizerError } from '../../src/prompt/tokenizer.ts';
import { aPod } from '../support/builders.ts';
import { answerBytes, type FakeTokenizer, NOT_FOUND, startFakeTokenizer } from '../support/fake-tokenizer.ts';
import { type TestTelemetry, testTelemetry } from '../support/telemetry.ts';

const CALL = {
  pod: aPod({ ip: '127.0.0.2', port: 8_001 }),
  url: 'http://127.0.0.2:8001/v1/completions/render',
};
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

describe('the spans of calls to tokenizers', () => {
  let telemetry: TestTelemetry;
  beforeEach(() => {
    telemetry = testTelemetry();
  });

  /** As a child of a span of this name. */
  const within = <T>(work: () => Promise<T>) =>
    telemetry.tracer.startActiveSpan('tokenize', async span => {
      try {
        return await work();
      } finally {
        span.end();
      }
    });

  it('are children of what they are for, and their context goes to the engine', async () => {
    const around = traceTokenizerCalls(telemetry.tracer);
    let sent: Readonly<Record<string, string>> = {};
    await within(() =>
      around(CALL, async headers => {
        sent = headers;
        return { status: 200, body: {} };
      }),
    );
    const [call, parent] = await telemetry.finishedSpans();
    const { traceId, spanId } = call!.spanContext();
    assert.deepEqual(sent, { traceparent: `00-${traceId}-${spanId}-01` });
    assert.deepInclude(call, { name: 'POST /v1/completions/render', kind: SpanKind.CLIENT });
    assert.equal(call!.parentSpanContext?.spanId, parent!.spanContext().spanId);
    assert.deepEqual(call!.attributes, {
      'http.request.method': 'POST',
      'url.full': CALL.url,
      'server.address': '127.0.0.2',
      'server.port': 8_001,
      'warmroute.pod': CALL.pod.name,
      'http.response.status_code': 200,
    });
    assert.equal(call!.status.code, SpanStatusCode.UNSET);
  });

  it('say what failed, in a word of ours', async () => {
    const around = traceTokenizerCalls(telemetry.tracer);
    await within(() => around(CALL, async () => ({ status: 404, body: { detail: 'private' } })));
    for (const error of [new TokenizerError('unavailable', 'private'), new Error('private')]) {
      const failure = await within(() => around(CALL, () => Promise.reject(error))).catch(reason => reason);
      assert.equal(failure, error);
    }
    const calls = (await telemetry.finishedSpans()).filter(({ kind }) => kind === SpanKind.CLIENT);
    assert.deepEqual(
      calls.map(({ attributes, status }) => [attributes['error.type'], status]),
      ['404', 'unavailable', '_OTHER'].map(type => [type, { code: SpanStatusCode.ERROR }]),
    );
    assert.notInclude(JSON.stringify(calls.map(({ attributes, events }) => [attributes, events])), 'private');
  });

  it('are none of a request that is not sampled, which its engine is told', async () => {
    const around = traceTokenizerCalls(telemetry.tracer);
    const unsampled = { traceId: TRACE_ID, spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.NONE };
    let sent: Readonly<Record<string, string>> = {};
    await context.with(trace.setSpanContext(context.active(), unsampled), () =>
      around(CALL, async headers => {
        sent = headers;
        return { status: 200, body: {} };
      }),
    );
    assert.match(sent.traceparent!, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-00$`));
    assert.isEmpty(await telemetry.finishedSpans());
  });

  it('are none, and begin no trace, where nobody traces', async () => {
    const around = traceTokenizerCalls(telemetry.tracer);
    let sent: Readonly<Record<string, string>> | undefined;
    await around(CALL, async headers => {
      sent = headers;
      return { status: 200, body: {} };
    });
    assert.deepEqual(sent, {});
    assert.isEmpty(await telemetry.finishedSpans());
  });

  describe('around a real tokenizer', () => {
    let engine: FakeTokenizer;
    beforeEach(async () => {
      engine = await startFakeTokenizer('pod-0');
    });
    afterEach(() => engine.stop());

    it('are one for each call, whose engine gets its context beside the other headers', async () => {
      engine.answer = request => (request.path.endsWith('/render') ? NOT_FOUND : answerBytes(request));
      const tokenizer = createRemoteTokenizer({
        ...{ timeoutMs: 4_000, cacheBytes: 0, maxConnectionsPerPod: 1 },
        breaker: { failures: 3, halfOpenAfterMs: 1_000 },
        access: { apiKey: 'the-key', ca: undefined },
        around: traceTokenizerCalls(telemetry.tracer),
      });
      const parsed = parsePrompt('/v1/completions', undefined, Buffer.from('{"model":"demo","prompt":"Hi"}'));
      assert(parsed.kind === 'prompt');
      await within(() => tokenizer.tokenize(parsed.prompt, [engine.pod], new AbortController().signal));
      await tokenizer.close();
      const spans = await telemetry.finishedSpans();
      const calls = spans.filter(({ kind }) => kind === SpanKind.CLIENT);
      assert.deepEqual(
        calls.map(({ name }) => name),
        ['POST /v1/completions/render', 'POST /tokenize'],
      );
      assert.deepEqual(
        engine.requests.map(({ traceparent, authorization }) => [traceparent, authorization]),
        calls.map(call => {
          const { traceId, spanId } = call.spanContext();
          return [`00-${traceId}-${spanId}-01`, 'Bearer the-key'];
        }),
      );
    });
  });
});
