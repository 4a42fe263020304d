/** Telemetry that a test can look into: metrics as Prometheus sees them, spans as an exporter gets them. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { createInstruments, type Instruments } from '../../src/ops/instruments/instruments.ts';
import { createMetrics, type Metrics } from '../../src/ops/metrics/metrics.ts';
import { startTelemetry, type Telemetry } from '../../src/ops/telemetry.ts';

export interface RecordingExporter extends SpanExporter {
  readonly spans: ReadableSpan[];
}

/** Unlike the SDK's own in-memory exporter it keeps its spans when it is shut down, which is when they are all there. */
export function recordingExporter(): RecordingExporter {
  const spans: ReadableSpan[] = [];
  return {
    spans,
    export(batch, done) {
      spans.push(...batch);
      done({ code: 0 });
    },
    async forceFlush() {},
    async shutdown() {},
  };
}

export interface TestTelemetry extends Telemetry {
  readonly metrics: Metrics;
  readonly instruments: Instruments;
  /** All finished spans; ends the telemetry. */
  finishedSpans(): Promise<readonly ReadableSpan[]>;
  /** What `/metrics` answers. */
  scrape(): Promise<string>;
}

export function testTelemetry(): TestTelemetry {
  const exporter = recordingExporter();
  const telemetry = startTelemetry({ serviceName: 'test', exporter });
  const metrics = createMetrics();
  return {
    ...telemetry,
    metrics,
    instruments: createInstruments(metrics),
    async finishedSpans() {
      await telemetry.stop();
      return exporter.spans;
    },
    scrape: () => scrape(metrics),
  };
}

export async function scrape(metrics: Metrics): Promise<string> {
  const server = createServer((_, response) => void metrics.answer(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  } finally {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }
}

/** The samples of one metric: `name{labels} value`, one line each. */
export function samplesOf(name: string, exposition: string): string[] {
  return exposition.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}
