import { SpanStatusCode } from '@opentelemetry/api';
import { assert } from 'chai';
import { exporterFor, startTelemetry, type TraceSink } from '../../src/ops/telemetry.ts';
import { recordingExporter } from '../support/telemetry.ts';
import { startCollector, withEnvironment } from '../support/trace-collector.ts';

describe('telemetry', () => {
  for (const [protocol, path, type] of [
    ['http/protobuf', '/v1/traces', 'application/x-protobuf'],
    ['grpc', '/opentelemetry.proto.collector.trace.v1.TraceService/Export', 'application/grpc'],
  ] as const) {
    it(`sends its spans to a collector over ${protocol}, the last ones when it stops`, async () => {
      const collector = await startCollector(protocol);
      try {
        await withEnvironment('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url, async () => {
          const telemetry = startTelemetry({
            serviceName: 'router-7',
            exporter: await exporterFor({ kind: 'otlp', protocol }),
          });
          telemetry.tracer.startSpan('warmroute.route').end();
          await telemetry.stop();
        });
        assert.deepEqual(
          collector.posts.map(post => [post.path, post.type]),
          [[path, type]],
        );
        const sent = collector.posts[0]!.body.toString('latin1');
        for (const text of ['service.name', 'router-7', 'warmroute.route']) assert.include(sent, text);
      } finally {
        await collector.close();
      }
    });
  }

  it('stops in peace when nobody takes its spans', async () => {
    await withEnvironment('OTEL_EXPORTER_OTLP_ENDPOINT', 'http://127.0.0.1:1', async () => {
      const sink: TraceSink = { kind: 'otlp', protocol: 'http/protobuf' };
      const telemetry = startTelemetry({ serviceName: 'test', exporter: await exporterFor(sink) });
      await telemetry.stop();
      await telemetry.stop();
    });
  });

  it('sends nothing anywhere when told so', async () => {
    const telemetry = startTelemetry({ serviceName: 'test', exporter: await exporterFor({ kind: 'none' }) });
    telemetry.tracer.startSpan('unseen').end();
    await telemetry.stop();
  });

  it('hands spans with the name of the service to a given exporter', async () => {
    const exporter = recordingExporter();
    const telemetry = startTelemetry({ serviceName: 'router-7', exporter });
    const span = telemetry.tracer.startSpan('seen');
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    await telemetry.stop();
    assert.deepEqual(
      exporter.spans.map(({ name, status }) => ({ name, code: status.code })),
      [{ name: 'seen', code: SpanStatusCode.ERROR }],
    );
    assert.equal(exporter.spans[0]?.resource.attributes['service.name'], 'router-7');
  });
});
