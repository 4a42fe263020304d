/** How the reading of engines' metrics goes, as log lines and metrics. */
import type { Pod } from '../domain.ts';
import type { ScrapeFact, ScrapeFailure } from '../engine-api/engine-metrics.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';

/** One question without an answer may be chance. */
const FAILURES = 2;

export interface ScrapeReport {
  hear(fact: ScrapeFact): void;
  /** Nothing is left of this pod. */
  left(pod: Pod): void;
}

export function reportScrapes(
  instruments: Pick<Instruments, 'scrapes' | 'scrapeFailures'>,
  log: Logger,
): ScrapeReport {
  /** Failures in a row, by pod, and which was named in the log. */
  const failing = new Map<string, { failures: number; named: ScrapeFailure | undefined }>();
  return {
    hear(fact) {
      const { name } = fact.pod;
      if (fact.kind === 'scraped') {
        instruments.scrapes.add(1);
        if (failing.get(name)?.named !== undefined)
          log.info({ pod: name }, 'the engine’s metrics can be read again');
        failing.delete(name);
        return;
      }
      const { why } = fact;
      instruments.scrapeFailures.add(1, { pod: name, why });
      const known = failing.get(name) ?? { failures: 0, named: undefined };
      failing.set(name, known);
      known.failures++;
      if (known.failures < FAILURES || known.named === why) return;
      known.named = why;
      log.warn(
        { pod: name, why },
        'the engine’s metrics cannot be read: strategies that compare them leave it out, and the prefill time that is saved there is not counted',
      );
    },

    left({ name }) {
      failing.delete(name);
    },
  };
}
