import { setTimeout as delay } from 'node:timers/promises';
import { context, ProxyTracerProvider, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
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
  /** Sends what is still to be sent. */
  stop(): Promise<void>;
}

/** Starts the OpenTelemetry SDK, which sends traces. */
export function startTelemetry(options: {
  readonly serviceName: string;
  /** undefined: nothing is recorded. */
  readonly exporter: SpanExporter | undefined;
}): Telemetry {
  const resource = defaultResource().merge(resourceFromAttributes({ 'service.name': options.serviceName }));
  const tracers = startTracing(options.exporter, resource);
  return {
    tracer: (tracers ?? new ProxyTracerProvider()).getTracer('warmroute'),
    async stop() {
      const late = new AbortController();
      await Promise.race([
        tracers?.shutdown().catch(() => {}),
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

/** Loaded only where it is used: with all that it needs it takes 100 ms and 20 MB. */
export async function exporterFor(sink: TraceSink): Promise<SpanExporter | undefined> {
  switch (sink.kind) {
    case 'none':
      return undefined;
    case 'otlp':
      return sink.protocol === 'grpc' ? createGrpcExporter() : createHttpExporter();
    case 'exporter':
      return sink.exporter;
  }
}

async function createGrpcExporter(): Promise<SpanExporter> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
  return new OTLPTraceExporter();
}

async function createHttpExporter(): Promise<SpanExporter> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}
