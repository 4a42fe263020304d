/** What the parts report, as metrics and log lines. */
import type { PublisherReport } from '../events/event-feed.ts';
import type { DoorFact } from '../extproc/exchange.ts';
import { type DiscoveryProblem, describeProblem } from '../pods/discovery.ts';
import type { PodRegistry } from '../pods/registry.ts';
import type { CacheState } from '../prefix-index/cache-state.ts';
import type { TokenizeFact } from '../prompt/remote-tokenizer.ts';
import type { Load } from '../routing/load.ts';
import { podKey } from './feed-report.ts';
import type { Instruments } from './instruments.ts';
import type { Logger } from './log.ts';
import { createWarnThrottle } from './log-throttle.ts';

/** Per kind: what a client does on purpose must not bury everything else. */
const WARN_EVERY_MS = 10_000;

export function reportDoor(instruments: Instruments, log: Logger): (fact: DoorFact) => void {
  const warn = createWarnThrottle(log, { everyMs: WARN_EVERY_MS });
  return fact => {
    if (fact.kind === 'rejected') {
      instruments.rejections.add(1, { kind: fact.error.kind });
      log.info({ error: fact.error.kind }, 'request rejected');
    } else {
      instruments.undecided.add(1, { why: fact.why });
      const message = 'requests go on without a pick: their bodies come too late, or not at all';
      warn(fact.why, { why: fact.why }, message);
    }
  };
}

/** gRPC connections beyond the most that there may be. */
export function reportRefusals(instruments: Instruments, log: Logger): () => void {
  const warn = createWarnThrottle(log, { everyMs: WARN_EVERY_MS });
  return () => {
    instruments.refusedConnections.add(1);
    warn('refused', {}, 'gRPC connections are refused: WARMROUTE_GRPC_MAX_CONNECTIONS are open');
  };
}

export function reportTokenizer(instruments: Instruments, log: Logger): (fact: TokenizeFact) => void {
  return fact => {
    switch (fact.kind) {
      case 'hit':
      case 'shared':
      case 'retry':
        instruments.tokenizeCalls.add(1, { kind: fact.kind });
        break;
      case 'call':
        instruments.tokenizeCalls.add(1, { kind: fact.outcome, route: fact.route });
        break;
      case 'breaker':
        log.warn({ pod: fact.pod.name, state: fact.state }, 'circuit of this pod’s tokenizer');
    }
  };
}

export function reportPods(instruments: Instruments, log: Logger) {
  return {
    onProblem(problem: DiscoveryProblem): void {
      instruments.podProblems.add(1, { kind: problem.kind });
      log.error({ problem: problem.kind }, describeProblem(problem));
    },
    onReload: (count: number) => log.info({ entries: count }, 'pods file read again'),
  };
}

export interface ReportedState {
  readonly cache: CacheState;
  readonly registry: PodRegistry;
  readonly load: Load;
  readonly grpc: { readonly openStreams: number; readonly bufferedBytes: number };
  readonly publishers: () => readonly PublisherReport[];
  readonly usesKvEvents: boolean;
}

/** Gauges are read when somebody scrapes. */
export function reportState(instruments: Instruments, state: ReportedState): void {
  const { cache, registry, load, grpc, publishers, usesKvEvents } = state;
  instruments.indexBlocks.addCallback(result => result.observe(cache.index.size().blocks));
  instruments.indexEntries.addCallback(result => {
    const history = cache.history.entries;
    result.observe(cache.index.size().entries - history, { source: 'events' });
    result.observe(history, { source: 'history' });
  });
  instruments.indexRuns.addCallback(result => result.observe(cache.index.runs));
  instruments.indexBytes.addCallback(result => result.observe(cache.index.bytes));
  instruments.indexGivenUp.addCallback(result => result.observe(cache.index.givenUp));
  instruments.pods.addCallback(result => result.observe(registry.pods().length));
  instruments.streams.addCallback(result => result.observe(grpc.openStreams));
  instruments.bufferedBytes.addCallback(result => result.observe(grpc.bufferedBytes));
  instruments.inFlight.addCallback(result => {
    for (const pod of registry.pods()) result.observe(load.running(pod), { pod: pod.name });
  });
  instruments.aibrix.indexer.addCallback(result =>
    result.observe(1, { model: '_init_', indexer_type: usesKvEvents ? 'sync' : 'local' }),
  );
  instruments.publisherState.addCallback(result => {
    for (const { pod, rank, state } of publishers()) result.observe(1, { pod, rank, state });
  });
  instruments.publisherBlocks.addCallback(result => {
    for (const { pod, rank, blocks } of publishers()) result.observe(blocks, { pod, rank });
  });
  instruments.publisherHeld.addCallback(result => {
    for (const { pod, rank, held } of publishers()) result.observe(held, { pod, rank });
  });
  instruments.orphanBlocks.addCallback(result => {
    for (const { pod, rank, orphans } of publishers()) result.observe(orphans, { pod, rank });
  });
  instruments.aibrix.zmqStatus.addCallback(result => {
    for (const { pod, rank, state } of publishers()) {
      result.observe(state === 'connecting' ? 0 : 1, { pod_key: podKey(pod, rank) });
    }
  });
  instruments.aibrix.zmqSequence.addCallback(result => {
    for (const { pod, rank, sequence } of publishers()) {
      if (sequence !== undefined) result.observe(sequence, { pod_key: podKey(pod, rank) });
    }
  });
}
