/** Whether, and how often, engines are asked how busy they are, in the configuration at hand. */
import type { Config } from '../config.ts';
import { type EngineLoad, uses } from '../domain.ts';
import { EngineMetrics, type EngineMetricsOptions } from '../engine-api/engine-metrics.ts';
import type { ScrapeReport } from '../ops/scrape-report.ts';
import type { TokenWork } from '../routing/work/token-work.ts';
import { comparesEngines } from '../strategies.ts';
import { monotonicClock } from '../time.ts';

export interface EngineLoadsParts extends Pick<EngineMetricsOptions, 'scheme' | 'ca'> {
  readonly report: ScrapeReport;
  readonly work: TokenWork;
}

export function createEngineMetrics(
  config: Config,
  { report, work, ...access }: EngineLoadsParts,
): EngineMetrics {
  const metrics = new EngineMetrics({
    ...{ intervalMs: config.metricsIntervalMs, use: useOf(config), ...access },
    onFact(fact) {
      report.hear(fact);
      work.heard(fact.pod, metrics.peekLoadOf(fact.pod));
    },
  });
  return metrics;
}

function useOf({ strategy, shedQueue, metricFamilies }: Config): EngineMetricsOptions['use'] {
  if (comparesEngines(strategy) || uses(strategy, 'prefix-cost') || shedQueue !== undefined) return 'always';
  return metricFamilies.length > 0 ? 'shown' : 'on_demand';
}

/** As it is shown: how old it is says more than when that was by a clock that nobody sees. */
export function shownWithAge(load: EngineLoad): object {
  if (load.kind === 'unknown') return load;
  const { atMs, ...known } = load;
  return { ...known, ageMs: Math.round(monotonicClock() - atMs) };
}
