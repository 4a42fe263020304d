import type { FeedFact } from '../../src/events/event-feed.ts';
import { reportFeed } from '../../src/ops/feed-report.ts';
import { createInstruments } from '../../src/ops/instruments.ts';
import { startTelemetry } from '../../src/ops/telemetry.ts';
import { recordingLog } from '../../test/support/builders.ts';

/** What the program counts of each fact. Nobody scrapes it. */
export function createReport(): (fact: FeedFact) => void {
  const { meter } = startTelemetry({ serviceName: 'bench', traces: { kind: 'none' } });
  return reportFeed(createInstruments(meter), recordingLog().log);
}
