import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { assert } from 'chai';
import { runtimeOf } from '../../demo/envoy.ts';
import { eventually } from '../support/eventually.ts';
import {
  type EngineFleet,
  envoyReady,
  MODEL,
  startEngineFleet,
  startFleet,
  withFleet,
} from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { type OtlpSpan, spansIn } from '../support/otlp.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';
import { type Collector, startCollector, withEnvironment } from '../support/trace-collector.ts';

const COMPLETION = { model: 'demo', prompt: 'Where has this request been all the time?' };
const CLIENT = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const TRACEPARENT = `00-${CLIENT.traceId}-${CLIENT.spanId}-01`;

function recordingExporter(): { readonly exporter: SpanExporter; readonly spans: ReadableSpan[] } {
  const spans: ReadableSpan[] = [];
  const exporter: SpanExporter = {
    export(batch, done) {
      spans.push(...batch);
      done({ code: 0 });
    },
    shutdown: async () => {},
  };
  return { exporter, spans };
}

describe('One trace from the client to the pod', function () {
  this.timeout(20_000);
  let pods: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));

  for (const [whose, headers] of [
    ['Envoy’s own', {}],
    ['the client’s', { traceparent: TRACEPARENT }],
  ] as const) {
    it(`with Envoy’s tracer on, the router’s span is a child of Envoy’s, in ${whose} trace`, async () => {
      const { exporter, spans } = recordingExporter();
      const collector = `127.0.0.1:${await freePort()}`;
      const traces = { kind: 'exporter', exporter } as const;
      await withFleet(startFleet({ pods, collector, traces }), async fleet => {
        const { status, servedBy } = await fleet.post('/v1/completions', COMPLETION, headers);
        assert.equal(status, 200);
        const { trace_id } = await fleet.envoy.accessLogged(entry => entry.status === 200);
        assert.match(String(trace_id), /^[0-9a-f]{32}$/);
        if ('traceparent' in headers) assert.equal(trace_id, CLIENT.traceId);

        const line = fleet.program.logLines.find(({ message }) => message === 'request routed');
        assert.equal(line?.fields.traceId, trace_id);
        const upstream = pods.find(({ address }) => address === servedBy)?.requests.at(-1)
          ?.headers.traceparent;
        assert.equal(String(upstream).split('-')[1], trace_id);

        // Spans are sent in batches, the last one when the program stops.
        await fleet.program.stop();
        assert.sameMembers(
          spans.map(({ name }) => name),
          ['warmroute.route', 'parse', 'tokenize', 'match', 'hash', 'decide'],
        );
        for (const span of spans) assert.equal(span.spanContext().traceId, trace_id);
        const route = spans.find(({ name }) => name === 'warmroute.route');
        const parent = route?.parentSpanContext?.spanId;
        assert.match(String(parent), /^[0-9a-f]{16}$/);
        assert.notEqual(parent, CLIENT.spanId, 'Envoy’s span is the nearer one');
      });
    });
  }

  it('with Envoy’s tracer off, the router’s span is a child of the client’s', async () => {
    const { exporter, spans } = recordingExporter();
    await withFleet(startFleet({ pods, traces: { kind: 'exporter', exporter } }), async fleet => {
      await fleet.post('/v1/completions', COMPLETION, { traceparent: TRACEPARENT });
      await fleet.program.stop();
      const route = spans.find(({ name }) => name === 'warmroute.route');
      assert.equal(route?.spanContext().traceId, CLIENT.traceId);
      assert.equal(route?.parentSpanContext?.spanId, CLIENT.spanId);
    });
  });
});

describe('One trace as a collector gets it', function () {
  this.timeout(30_000);
  let collector: Collector;

  before(envoyReady);
  beforeEach(async () => {
    collector = await startCollector('grpc');
  });
  afterEach(() => collector.close());

  /** Envoy and the router send their spans to the same collector; engines tokenize. */
  async function traced(use: (fleet: EngineFleet) => Promise<void>): Promise<void> {
    await withEnvironment('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url, async () => {
      const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
      const { host } = new URL(collector.url);
      const starting = startEngineFleet({
        ...{ engines: 2, collector: host, environment },
        // Five spans, or five seconds, by default.
        edit(bootstrap) {
          runtimeOf(bootstrap)['tracing.opentelemetry.min_flush_spans'] = 1;
        },
      });
      await withFleet(starting, use);
    });
  }

  const ask = (fleet: EngineFleet, headers: Readonly<Record<string, string>> = {}) =>
    fleet.post(
      '/v1/chat/completions',
      { model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 },
      headers,
    );

  it('goes from Envoy through the router and the tokenizer call to the engine', async () => {
    await traced(async fleet => {
      const { status, servedBy } = await ask(fleet);
      assert.equal(status, 200);
      // The router sends its last spans when it stops.
      await fleet.program.stop();
      const spans = await eventually('all have been sent', () => {
        const all = spansIn(collector.posts);
        const names = all.map(({ service, name }) => `${service} ${name}`);
        const isWhole = ['envoy ingress', 'envoy router', 'warmroute warmroute.route'].every(each =>
          names.some(name => name.startsWith(each)),
        );
        return isWhole && all;
      });
      const [server] = spans.filter(({ service, kind }) => service === 'envoy' && kind === 'SERVER');
      assert(server, JSON.stringify(spans.map(({ service, name, kind }) => [service, name, kind])));
      assert.isUndefined(server.parentId);
      const ofTrace = spans.filter(({ traceId }) => traceId === server.traceId);

      const named = (name: string): OtlpSpan => {
        const found = ofTrace.filter(span => span.name === name);
        assert.lengthOf(found, 1, name);
        return found[0]!;
      };
      /** From this span to the first one. */
      const wayUp = (span: OtlpSpan | undefined): string[] =>
        span === undefined
          ? []
          : [span.name, ...wayUp(ofTrace.find(({ spanId }) => spanId === span.parentId))];
      const call = named('POST /v1/chat/completions/render');
      assert.equal(call.kind, 'CLIENT');
      assert.deepInclude(call.attributes, {
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'server.address': '127.0.0.1',
      });
      assert.deepEqual(wayUp(call).slice(0, 3), [
        'POST /v1/chat/completions/render',
        'tokenize',
        'warmroute.route',
      ]);
      assert.equal(wayUp(call).at(-1), server.name);

      const route = named('warmroute.route');
      assert.equal(route.service, 'warmroute');
      const engine = fleet.engineAt(servedBy);
      assert.deepInclude(route.attributes, {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': MODEL,
        'gen_ai.usage.input_tokens': engine.requests.at(-1)!.promptTokens,
        'server.address': '127.0.0.1',
        'server.port': engine.httpPort,
      });

      const [, traceId, parentId] = String(engine.requests.at(-1)!.headers.traceparent).split('-');
      assert.equal(traceId, server.traceId);
      const before = ofTrace.find(({ spanId }) => spanId === parentId);
      assert.deepInclude(
        before,
        { service: 'envoy', kind: 'CLIENT' },
        'the engine goes on from Envoy’s call to it',
      );
      assert.equal(before?.parentId, server.spanId);
    });
  });

  it('is none where the client’s is not sampled, and that goes on to the engine', async () => {
    await traced(async fleet => {
      const { servedBy } = await ask(fleet, { traceparent: TRACEPARENT.replace(/01$/, '00') });
      const { headers } = fleet.engineAt(servedBy).requests.at(-1)!;
      assert.match(String(headers.traceparent), new RegExp(`^00-${CLIENT.traceId}-[0-9a-f]{16}-00$`));
      await fleet.program.stop();
      assert.isEmpty(spansIn(collector.posts).filter(({ traceId }) => traceId === CLIENT.traceId));
    });
  });
});
