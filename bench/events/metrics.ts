import type { FeedFact } from '../../src/events/event-feed.ts';
import { reportFeed } from '../../src/ops/feed-report.ts';
import { createInstruments } from '../../src/ops/instruments/instruments.ts';
import { createMetrics } from '../../src/ops/metrics/metrics.ts';
import { recordingLog } from '../../test/support/builders.ts';

/** What the program counts of each fact. Nobody scrapes it. */
export function createReport(): (fact: FeedFact) => void {
  const metrics = createMetrics();
  const report = reportFeed(metrics, createInstruments(metrics), recordingLog().log);
  const joined = new Set<string>();
  return fact => {
    if (!joined.has(fact.pod)) {
      joined.add(fact.pod);
      report.joined(fact.pod);
    }
    report.hear(fact);
  };
}
