/** Whether, and how often, engines are asked how busy they are, in the configuration at hand. */
import type { Config } from '../config.ts';
import type { EngineLoad } from '../domain.ts';
import { EngineMetrics, type EngineMetricsOptions } from '../engine-api/engine-metrics.ts';
import { comparesEngines } from '../strategies.ts';
import { monotonicClock } from '../time.ts';

export function createEngineMetrics(
  config: Config,
  options: Pick<EngineMetricsOptions, 'scheme' | 'ca' | 'onFact'>,
): EngineMetrics {
  return new EngineMetrics({ intervalMs: config.metricsIntervalMs, use: useOf(config), ...options });
}

function useOf({ strategy, shedQueue, metricFamilies }: Config): EngineMetricsOptions['use'] {
  if (comparesEngines(strategy) || shedQueue !== undefined) return 'always';
  return metricFamilies.length > 0 ? 'shown' : 'on_demand';
}

/** As it is shown: how old it is says more than when that was by a clock that nobody sees. */
export function shownWithAge(load: EngineLoad): object {
  if (load.kind === 'unknown') return load;
  const { atMs, ...known } = load;
  return { ...known, ageMs: Math.round(monotonicClock() - atMs) };
}
