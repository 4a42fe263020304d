/** The console: what its page shows is read from the parts that know it. */
import type { CacheState } from '../cache/cache-state.ts';
import type { Pod } from '../domain.ts';
import type { EngineMetrics } from '../engine-api/engine-metrics.ts';
import type { EventFeed, FeedFact } from '../events/event-feed.ts';
import type { PodsHealth } from '../health/pods-health.ts';
import type { Listeners } from '../listeners.ts';
import { consoleRoutes } from '../ops/console/console.ts';
import { Live, type RecentDecisions, SAMPLE_EVERY_SECONDS } from '../ops/console/live.ts';
import type { Now } from '../ops/console/messages.ts';
import { Samples, type Totals } from '../ops/console/samples.ts';
import { StateHistory } from '../ops/console/state-history.ts';
import { podViews, publisherViews } from '../ops/console/views.ts';
import type { Instruments } from '../ops/instruments/instruments.ts';
import type { Value } from '../ops/metrics/read-metrics.ts';
import type { PodRegistry } from '../pods/registry.ts';
import type { Load } from '../routing/load.ts';
import { realSleep, wallClock } from '../time.ts';

const SAMPLED_SECONDS = 30 * 60;

export interface ConsoleParts {
  readonly version: string;
  readonly usesKvEvents: boolean;
  readonly isReady: () => { readonly ready: boolean; readonly why: string };
  readonly registry: PodRegistry;
  readonly health: Pick<PodsHealth, 'reportOf'>;
  readonly load: Pick<Load, 'running'>;
  readonly engineMetrics: Pick<EngineMetrics, 'loadOf'>;
  readonly feed: Pick<EventFeed, 'snapshot' | 'unfollowed'>;
  readonly facts: Listeners<FeedFact>;
  readonly cache: CacheState;
  readonly instruments: Instruments;
  readonly decisions: RecentDecisions;
  readonly onUnexpected: (error: unknown) => void;
}

/** Follows what goes on from here on, for whoever will watch. */
export function startConsole(parts: ConsoleParts) {
  const { registry, health, load, engineMetrics, feed, cache, instruments } = parts;
  const changes = new StateHistory();
  parts.facts.add(fact => changes.hear(fact));

  function readTotals(): Totals {
    return {
      decisions: sumOf(instruments.decisions.values()),
      promptBlocks: sumOf(instruments.promptBlocks.values()),
      matchedBlocks: sumOf(instruments.matchedBlocks.values()),
      decisionSeconds: instruments.decisionSeconds.series(),
      firstByteSeconds: instruments.firstByte.series(),
      inFlight: registry.pods().map(pod => [pod.name, load.running(pod)]),
    };
  }

  function now(): Now {
    const publishers = feed.snapshot();
    const picks = sumsByPod(instruments.picks.values());
    const pods = registry.pods().map(pod => ({
      ...{ pod, isReady: !registry.isUnready(pod.name), health: health.reportOf(pod) },
      ...{ inFlight: load.running(pod), picks: picks.get(pod.name) ?? 0 },
      engine: engineMetrics.loadOf(pod),
    }));
    return {
      at: wallClock(),
      ...parts.isReady(),
      indexBlocks: cache.index.size().blocks,
      ...podViews(pods, publishers),
      ...publisherViews(publishers, feed.unfollowed),
    };
  }

  const live = new Live({
    ...{ version: parts.version, usesKvEvents: parts.usesKvEvents, decisions: parts.decisions },
    ...{ changes, now },
    samples: new Samples({
      ...{ read: readTotals, now: wallClock, everySeconds: SAMPLE_EVERY_SECONDS },
      length: SAMPLED_SECONDS / SAMPLE_EVERY_SECONDS,
    }),
    ...{ sleep: realSleep, clock: wallClock, onUnexpected: parts.onUnexpected },
  });
  return {
    routes: consoleRoutes(live),
    left: (pod: Pod) => changes.left(pod.name),
    stop: () => live.stop(),
  };
}

function sumOf(values: Iterable<{ readonly value: number }>): number {
  let sum = 0;
  for (const { value } of values) sum += value;
  return sum;
}

function sumsByPod(values: Iterable<Value<'pod' | 'model'>>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of values) {
    const pod = String(labels.pod);
    sums.set(pod, (sums.get(pod) ?? 0) + value);
  }
  return sums;
}
