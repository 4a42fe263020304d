/** The standard settings of OpenTelemetry. */
import { type Setting, setting } from './setting.ts';
import { anyText, choice, url } from './values.ts';

export const OPENTELEMETRY = {
  otlpEndpoint: setting(
    'OpenTelemetry',
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    undefined,
    'URL',
    url,
    'Where traces go; unset: nowhere. The other `OTEL_EXPORTER_OTLP_*` variables have their standard meaning.',
  ),
  otlpProtocol: setting(
    'OpenTelemetry',
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    'grpc',
    'protocol',
    choice(['grpc', 'http/protobuf']),
    'How traces are sent.',
  ),
  serviceName: setting(
    'OpenTelemetry',
    ['OTEL_SERVICE_NAME'],
    'warmroute',
    'text',
    anyText,
    'The name of this service in traces.',
  ),
} as const satisfies Record<string, Setting<unknown>>;
