import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { assert } from 'chai';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

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
