import type { Metrics } from '../metrics/metrics.ts';
import { AIBRIX_METRICS } from './aibrix.ts';
import type { Family, FamilyMetric, FamilySources } from './family.ts';
import { LLM_D_METRICS } from './llm-d.ts';

export type { Family, FamilyMetric, FamilySources } from './family.ts';

/** Every metric that has another router's name; docs/metrics-families.md is generated from it. */
export const FAMILY_METRICS: readonly FamilyMetric[] = [...AIBRIX_METRICS, ...LLM_D_METRICS];

/** Whether a metric is shown where these families are. */
export function shownWith(families: readonly Family[]): (name: string) => boolean {
  const hidden = new Set(
    FAMILY_METRICS.filter(({ family }) => !families.includes(family)).map(({ name }) => name),
  );
  return name => !hidden.has(name);
}

/** Makes the metrics of these families that are not recorded under their names. Values are read at a scrape. */
export function reportFamilies(
  metrics: Pick<Metrics, 'gauge' | 'total' | 'distributions'>,
  families: readonly Family[],
  sources: FamilySources,
): void {
  for (const { family, name, labels, mirrors, source } of FAMILY_METRICS) {
    if (!families.includes(family) || source.kind === 'recorded') continue;
    const help = `Mirrors ${mirrors}`;
    if (source.kind === 'histogram') {
      metrics.distributions(name, help, labels, () => source.read(sources));
      continue;
    }
    const values =
      source.kind === 'gauge' ? metrics.gauge(name, help, labels) : metrics.total(name, help, labels);
    values.onScrape(set => {
      for (const { labels: given, value } of source.read(sources))
        set(value, given as Record<string, string>);
    });
  }
}
