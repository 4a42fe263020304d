/** A client span for each call to an engine's tokenizer, which takes the trace on to the engine. */
import {
  context,
  defaultTextMapSetter,
  isSpanContextValid,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import type { AroundCall } from '../prompt/engine/remote-tokenizer.ts';
import { TokenizerError } from '../prompt/tokenizer.ts';

/** Names of attributes: OpenTelemetry's semantic conventions for HTTP clients. */
export function traceTokenizerCalls(tracer: Tracer): AroundCall {
  const propagator = new W3CTraceContextPropagator();

  return ({ pod, url }, send) => {
    const around = context.active();
    const parent = trace.getSpanContext(around);
    // Nobody traces the request that this is for.
    if (parent === undefined || !isSpanContextValid(parent)) return send({});
    const { pathname } = new URL(url);
    const attributes = {
      'http.request.method': 'POST',
      'url.full': url,
      'server.address': pod.ip,
      'server.port': pod.port,
      'warmroute.pod': pod.name,
    };
    return tracer.startActiveSpan(`POST ${pathname}`, { kind: SpanKind.CLIENT, attributes }, async span => {
      // A request that is not sampled takes that with it.
      const headers: Record<string, string> = {};
      propagator.inject(trace.setSpan(around, span), headers, defaultTextMapSetter);
      try {
        const response = await send(headers);
        span.setAttribute('http.response.status_code', response.status);
        if (response.status >= 400) fail(span, String(response.status));
        return response;
      } catch (error) {
        fail(span, error instanceof TokenizerError ? error.kind : '_OTHER');
        throw error;
      } finally {
        span.end();
      }
    });
  };
}

function fail(span: Span, type: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
