/** What the watches of the Kubernetes API report, as metrics and log lines. */
import type { ReflectorFact } from '../kubernetes/kubernetes.ts';
import type { OnWatchFact, WatchedPath } from '../pods/kubernetes/source.ts';
import { type Clock, monotonicClock } from '../time.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';
import { createLogThrottle } from './log/log-throttle.ts';

/** One line of a kind and source in so long. */
const EVERY_MS = 60_000;

/** Bookmarks come about once a minute, and a watch without any is resumed. */
const HEARD_EVERY_MS = 90_000;

export interface KubernetesReport {
  readonly hear: OnWatchFact;
  /** For how long what is watched has not been heard that should have been, in milliseconds; undefined: nothing is watched. */
  staleMs(): number | undefined;
}

type WatchInstruments = Pick<
  Instruments,
  | ('kubernetesSilence' | 'kubernetesRelists' | 'kubernetesErrors')
  | ('kubernetesListSeconds' | 'kubernetesWatchSeconds')
>;

export function reportKubernetes(
  instruments: WatchInstruments,
  log: Logger,
  now: Clock = monotonicClock,
): KubernetesReport {
  const throttle = createLogThrottle(log, { everyMs: EVERY_MS, now });
  const once = createLogThrottle(log, { everyMs: Number.POSITIVE_INFINITY, now });
  /** By source; at first when it began to ask. */
  const heardAtMs = new Map<string, number>();
  /** Of the watches that stand, by source. */
  const watchingSinceMs = new Map<string, number>();
  instruments.kubernetesSilence.onScrape(set => {
    for (const [source, ms] of heardAtMs) set((now() - ms) / 1_000, { source });
  });

  return {
    hear(path, fact) {
      const source = nameOf(path);
      if (fact.kind === 'sign_of_life' || !heardAtMs.has(source)) heardAtMs.set(source, now());
      report(source, fact);
    },
    staleMs() {
      if (heardAtMs.size === 0) return undefined;
      return Math.max(0, now() - Math.min(...heardAtMs.values()) - HEARD_EVERY_MS);
    },
  };

  function watchEnded(source: string): void {
    const sinceMs = watchingSinceMs.get(source);
    if (sinceMs === undefined) return;
    watchingSinceMs.delete(source);
    instruments.kubernetesWatchSeconds.record((now() - sinceMs) / 1_000);
  }

  function report(source: string, fact: ReflectorFact): void {
    switch (fact.kind) {
      case 'listed': {
        const { objects, pages, tookMs } = fact;
        instruments.kubernetesListSeconds.record(tookMs / 1_000);
        throttle.info(`listed ${source}`, { source, objects, pages, tookMs: Math.round(tookMs) }, 'listed');
        break;
      }
      case 'relist':
        watchEnded(source);
        instruments.kubernetesRelists.add(1, { source, reason: fact.reason });
        throttle.info(
          `relist ${source} ${fact.reason}`,
          { source, reason: fact.reason },
          'the Kubernetes API does not know any more what happened last: all is listed again',
        );
        break;
      case 'failed': {
        const { during, error, message, retryInMs } = fact;
        watchEnded(source);
        instruments.kubernetesErrors.add(1, { source, during, error });
        throttle.warn(
          `failed ${source} ${error}`,
          { source, during, error, why: message, retryInMs: Math.round(retryInMs) },
          'the Kubernetes API does not answer as it should: what was known last counts',
        );
        break;
      }
      case 'watch_ended':
        watchEnded(source);
        if (fact.why === 'closed') break;
        once.info(
          source,
          { source },
          'the Kubernetes API said nothing for 90 s, and is asked again each time: usual where nothing happens and etcd does not tell of its progress',
        );
        break;
      case 'handler_failed':
        instruments.kubernetesErrors.add(1, { source, during: undefined, error: fact.handler });
        throttle.error(
          `handler ${source} ${fact.handler}`,
          { source, handler: fact.handler, why: fact.message },
          'objects of the Kubernetes API could not be taken in: this is a mistake of Warmroute',
        );
        break;
      case 'watching':
        watchingSinceMs.set(source, now());
        break;
      case 'sign_of_life':
        break;
    }
  }
}

function nameOf({ what, namespace }: WatchedPath): string {
  return `${namespace}/${what}`;
}
