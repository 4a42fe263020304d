/** What the parts report, as metrics and log lines. */

import type { CacheState } from '../cache/cache-state.ts';
import { ANY_MODEL } from '../domain.ts';
import type { WatchedPort } from '../engine-api/port-watch.ts';
import type { EventFeed, PublisherReport } from '../events/event-feed.ts';
import type { DoorFact } from '../extproc/stream.ts';
import type { PodsHealth } from '../health/pods-health.ts';
import type { PodsFileFollower } from '../pods/pods-file-follower.ts';
import { type DiscoveryProblem, describeProblem } from '../pods/problem.ts';
import type { PodRegistry } from '../pods/registry.ts';
import type { OnParsed } from '../prompt/known/known-bodies.ts';
import type { Load } from '../routing/load.ts';
import { podKey } from './feed-report.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';
import { createLogThrottle } from './log/log-throttle.ts';
import type { Metrics } from './metrics/metrics.ts';
import { reportRejection } from './rejections.ts';

export function reportDoor(instruments: Instruments, log: Logger): (fact: DoorFact) => void {
  const throttle = createLogThrottle(log);
  const parts = { instruments, log, throttle };
  return fact => {
    switch (fact.kind) {
      case 'received':
        instruments.receiveSeconds.record(fact.tookMs / 1_000);
        break;
      case 'replied':
        instruments.stageSeconds.record(fact.tookMs / 1_000, { stage: 'reply' });
        break;
      case 'abandoned':
        instruments.abandoned.add(1, { during: fact.during });
        break;
      case 'rejected':
        reportRejection(parts, fact.error.kind, fact.steering, {});
        break;
      case 'answered':
        instruments.answers.add(1, { what: fact.what });
        break;
      case 'undecided':
        instruments.undecided.add(1, { why: fact.why });
        throttle.warn(
          fact.why,
          { why: fact.why },
          'requests go on without a pick: their bodies come too late, or not at all',
        );
    }
  };
}

export function reportPods(instruments: Instruments, log: Logger) {
  const throttle = createLogThrottle(log);
  return {
    onProblem(problem: DiscoveryProblem): void {
      instruments.podProblems.add(1, { kind: problem.kind });
      const level = isServed(problem) ? 'warn' : 'error';
      const line = [{ problem: problem.kind }, describeProblem(problem)] as const;
      // Two models may have thousands of names in common.
      if (problem.kind === 'alias_of_two') throttle[level](`${problem.model} ${problem.other}`, ...line);
      else log[level](...line);
    },
    onReload: (count: number) => log.info({ entries: count }, 'pods file read again'),
    onPoolFound: (pool: string) => log.info({ pool }, 'the InferencePool is there'),
  };
}

/** Which program this is. */
export function reportBuild(instruments: Instruments, version: string): void {
  instruments.build.onScrape(set => set(1, { version, node: process.versions.node }));
}

/** What is said of single pods keeps no others from being served. */
function isServed({ kind }: DiscoveryProblem): boolean {
  switch (kind) {
    case 'invalid_file':
    case 'unreadable_file':
    case 'unresolved_host':
    case 'missing_pool':
      return false;
    default:
      return true;
  }
}

/** How long sources of pods have not been usable, in milliseconds; undefined: there is no such source. */
export interface Staleness {
  readonly file: ReturnType<PodsFileFollower['stale']> | undefined;
  readonly kubernetes: number | undefined;
}

/** Looked at at the scrape. */
export function reportDiscovery(instruments: Instruments, stale: () => Staleness): void {
  instruments.discoveryStale.onScrape(set => {
    const { file, kubernetes } = stale();
    const sources = { ...file, kubernetes };
    for (const source of ['file', 'dns', 'kubernetes'] as const) {
      const ms = sources[source];
      if (ms !== undefined) set(ms / 1_000, { source });
    }
  });
}

/** Counted at the scrape. */
export function reportLog(instruments: Instruments, dropped: () => number = () => 0): void {
  instruments.logLinesDropped.onScrape(set => set(dropped()));
}

/** @param kept bytes of what is kept of them */
export function reportBodies(instruments: Instruments, kept: () => number): OnParsed {
  instruments.knownBodyBytes.onScrape(set => set(kept()));
  return ({ known, parsed }) => {
    instruments.bodyBytes.add(known, { from: 'known' });
    instruments.bodyBytes.add(parsed, { from: 'parsed' });
  };
}

/** Counted at the scrape. */
export function reportUnfollowed(instruments: Instruments, feed: Pick<EventFeed, 'unfollowed'>): void {
  instruments.unfollowedPods.onScrape(set => set(feed.unfollowed.length));
}

/** Counted at the scrape. */
export function reportUnnamed(instruments: Instruments, discovery: { readonly unnamed: number }): void {
  instruments.unnamedPods.onScrape(set => set(discovery.unnamed));
}

export interface ReportedState {
  readonly cache: CacheState;
  readonly indexCapacityBytes: number;
  readonly registry: PodRegistry;
  readonly load: Load;
  readonly health: Pick<PodsHealth, 'stateOf'>;
  readonly portsOf: (pod: string) => readonly WatchedPort[];
  readonly responses: { readonly size: number };
  readonly grpc: { readonly openStreams: number; readonly bufferedBytes: number };
  readonly publishers: () => readonly PublisherReport[];
  readonly usesKvEvents: boolean;
}

/** Gauges are read when somebody scrapes. */
export function reportState(metrics: Metrics, instruments: Instruments, state: ReportedState): void {
  const { cache, registry, load, health, responses, grpc, usesKvEvents } = state;
  instruments.indexBlocks.onScrape(set => set(cache.index.size().blocks));
  instruments.indexEntries.onScrape(set => {
    const history = cache.history.entries;
    set(cache.index.size().entries - history, { source: 'events' });
    set(history, { source: 'history' });
  });
  instruments.indexRuns.onScrape(set => set(cache.index.runs));
  instruments.indexBytes.onScrape(set => set(cache.index.bytes));
  instruments.indexCapacity.onScrape(set => set(state.indexCapacityBytes));
  instruments.indexEvicted.onScrape(set => set(cache.index.evicted));
  instruments.pods.onScrape(set => set(registry.serving(ANY_MODEL).length));
  instruments.rememberedResponses.onScrape(set => set(responses.size));
  instruments.streams.onScrape(set => set(grpc.openStreams));
  instruments.bufferedBytes.onScrape(set => set(grpc.bufferedBytes));
  instruments.inFlight.onScrape(set => {
    for (const pod of registry.pods()) set(load.running(pod), { pod: pod.name });
  });
  instruments.podHealth.onScrape(set => {
    for (const pod of registry.pods()) set(1, { pod: pod.name, state: health.stateOf(pod) });
  });
  instruments.silentPorts.onScrape(set => {
    for (const { name } of registry.pods()) {
      for (const { what, rank, answers } of state.portsOf(name))
        if (answers === false) set(1, { pod: name, port: what, rank });
    }
  });
  instruments.aibrix.indexer.onScrape(set =>
    set(1, { model: '_init_', indexer_type: usesKvEvents ? 'sync' : 'local' }),
  );
  reportPublishers(metrics, instruments, state.publishers);
}

function reportPublishers(
  metrics: Metrics,
  instruments: Instruments,
  snapshot: ReportedState['publishers'],
): void {
  // One snapshot a scrape: a publisher must not be in two states because time passes between two gauges.
  let publishers: readonly PublisherReport[] = [];
  metrics.beforeScrape(() => {
    publishers = snapshot();
  });
  instruments.publisherState.onScrape(set => {
    for (const { pod, rank, state, why } of publishers) set(1, { pod, rank, state, why });
  });
  instruments.publisherLag.onScrape(set => {
    for (const { pod, rank, lagSeconds } of publishers) {
      if (lagSeconds !== undefined) set(lagSeconds, { pod, rank });
    }
  });
  instruments.publisherBlocks.onScrape(set => {
    for (const { pod, rank, blocks } of publishers) set(blocks, { pod, rank });
  });
  instruments.publisherHeld.onScrape(set => {
    for (const { pod, rank, held } of publishers) set(held, { pod, rank });
  });
  instruments.orphanBlocks.onScrape(set => {
    for (const { pod, rank, orphans } of publishers) set(orphans, { pod, rank });
  });
  instruments.aibrix.zmqStatus.onScrape(set => {
    for (const { pod, rank, state } of publishers)
      set(state === 'connecting' ? 0 : 1, { pod_key: podKey(pod, rank) });
  });
  instruments.aibrix.zmqSequence.onScrape(set => {
    for (const { pod, rank, sequence } of publishers) {
      if (sequence !== undefined) set(sequence, { pod_key: podKey(pod, rank) });
    }
  });
}

/** Models that no pod serves any more leave the metrics, whenever that may have changed. */
export function forgetUnservedModels(metrics: Metrics, registry: Pick<PodRegistry, 'serving'>): void {
  for (const model of metrics.owners('model')) {
    if (registry.serving(model).length === 0) metrics.forget('model', model);
  }
}
