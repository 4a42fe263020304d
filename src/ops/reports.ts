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
import { createWarnOnce, type Logger } from './log.ts';

export function reportDoor(instruments: Instruments, log: Logger): (fact: DoorFact) => void {
  const warnOnce = createWarnOnce(log);
  return fact => {
    if (fact.kind === 'rejected') {
      instruments.rejections.add(1, { kind: fact.error.kind });
      log.info({ error: fact.error.kind }, 'request rejected');
    } else {
      instruments.undecided.add(1, { why: fact.why });
      warnOnce(
        fact.why,
        { why: fact.why },
        'requests go on without a pick: their bodies come too late, or not at all',
      );
    }
  };
}

export function reportTokenizer(instruments: Instruments, log: Logger): (fact: TokenizeFact) => void {
  const warnOnce = createWarnOnce(log);
  return fact => {
    switch (fact.kind) {
      case 'hit':
      case 'shared':
      case 'retry':
      case 'hedge':
        instruments.tokenizeCalls.add(1, { kind: fact.kind });
        break;
      case 'call':
        instruments.tokenizeCalls.add(1, { kind: fact.outcome, route: fact.route });
        break;
      case 'no_form':
        instruments.tokenizeCalls.add(1, { kind: fact.kind });
        warnOnce(
          `${fact.pod.name} ${fact.path}`,
          { pod: fact.pod.name, path: fact.path },
          'this pod cannot tokenize such requests, so they are routed by their history: have it render (vLLM: --enable-scale-out)',
        );
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
      const level = problem.kind === 'reserved_address' ? 'warn' : 'error';
      log[level]({ problem: problem.kind }, describeProblem(problem));
    },
    onReload: (count: number) => log.info({ entries: count }, 'pods file read again'),
  };
}

/** Counted at the scrape. */
export function reportLog(instruments: Instruments, dropped: () => number = () => 0): void {
  instruments.logLinesDropped.addCallback(result => result.observe(dropped()));
}

export interface ReportedState {
  readonly cache: CacheState;
  readonly registry: PodRegistry;
  readonly load: Load;
  readonly grpc: { readonly openStreams: number };
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
