import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { context, type Meter, ProxyTracerProvider, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as HttpExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';

/** A collector that does not answer must not keep the process from ending. */
const LAST_SPANS_MS = 2_000;

/** Where spans go. The exporters read their endpoint, headers and TLS from the standard `OTEL_EXPORTER_OTLP_*` variables. */
export type TraceSink =
  | { readonly kind: 'none' }
  | { readonly kind: 'otlp'; readonly protocol: 'grpc' | 'http/protobuf' }
  | { readonly kind: 'exporter'; readonly exporter: SpanExporter };

export interface Telemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
  /** Answers with all metrics in the Prometheus text format. */
  serveMetrics(request: IncomingMessage, response: ServerResponse): void;
  /** Sends what is still to be sent. */
  stop(): Promise<void>;
}

/** Starts the OpenTelemetry SDK: metrics to be scraped, traces to be sent. */
export function startTelemetry(options: {
  readonly serviceName: string;
  readonly traces: TraceSink;
}): Telemetry {
  const resource = defaultResource().merge(resourceFromAttributes({ 'service.name': options.serviceName }));
  const prometheus = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  const meters = new MeterProvider({ resource, readers: [prometheus] });
  const tracers = startTracing(exporterFor(options.traces), resource);
  return {
    tracer: (tracers ?? new ProxyTracerProvider()).getTracer('warmroute'),
    meter: meters.getMeter('warmroute'),
    serveMetrics: (request, response) => prometheus.getMetricsRequestHandler(request, response),
    async stop() {
      const late = new AbortController();
      await Promise.race([
        Promise.allSettled([tracers?.shutdown(), meters.shutdown()]),
        delay(LAST_SPANS_MS, undefined, { signal: late.signal }).catch(() => {}),
      ]);
      late.abort();
    },
  };
}

/** Without an exporter nothing is recorded: the cost of a request would be half as much again. */
function startTracing(
  exporter: SpanExporter | undefined,
  resource: ReturnType<typeof defaultResource>,
): TracerProvider | undefined {
  if (exporter === undefined) return undefined;
  // Child spans find their parent through the asynchronous context; a second start in one process keeps the first manager.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter })] });
}

function exporterFor(sink: TraceSink): SpanExporter | undefined {
  switch (sink.kind) {
    case 'none':
      return undefined;
    case 'otlp':
      return sink.protocol === 'grpc' ? new GrpcExporter() : new HttpExporter();
    case 'exporter':
      return sink.exporter;
  }
}
