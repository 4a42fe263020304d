/** Reads Envoy's configuration from its admin port, or from a dump of it, and checks each filter that may be the router's. */
import { printable } from '../../printable.ts';
import { adminAsker, jsonOf, parsedJson } from '../asking.ts';
import type { Finding, Section } from '../finding.ts';
import { COUNTERS_LOOKED_AT, checkPassedBy, checkReached, countersIn } from './check-counters.ts';
import { ENVOY_CHECKS, FILTER_CHECKS } from './envoy-checks.ts';
import { type EnvoyConfig, readEnvoyConfig } from './envoy-config.ts';
import type { EnvoyExpectations } from './expectations.ts';
import { envoyProblem } from './problems.ts';

export type { EnvoyExpectations } from './expectations.ts';

export type EnvoySource =
  | { readonly kind: 'admin'; readonly base: URL; readonly timeoutMs: number }
  /** What `GET /config_dump` answered. */
  | { readonly kind: 'dump'; readonly name: string; readonly content: string };

/** Of thousands of clusters and routes. */
export const MAX_DUMP_BYTES = 64 << 20;
const MAX_FILTERS = 16;

export async function examineEnvoy(
  source: EnvoySource,
  expected: EnvoyExpectations,
  signal: AbortSignal,
): Promise<Section[]> {
  if (source.kind === 'dump') {
    const config = readEnvoyConfig(parsedJson(source.content));
    return config === undefined
      ? [unreadable(source.name, 'it is no dump of Envoy’s configuration')]
      : sectionsOf(source.name, config, [], expected);
  }
  const { base, timeoutMs } = source;
  const asker = adminAsker({ base, timeoutMs, signal, maxAnswerBytes: MAX_DUMP_BYTES });
  try {
    const dump = await asker.get('/config_dump');
    if (dump.kind !== 'answered') return [unreadable(base.host, `GET /config_dump: ${dump.reason}`)];
    const [runtime, stats] = await Promise.all([
      asker.get('/runtime'),
      asker.get(`/stats?format=json&filter=${encodeURIComponent(COUNTERS_LOOKED_AT)}`),
    ]);
    const config = readEnvoyConfig(jsonOf(dump), jsonOf(runtime));
    if (config === undefined)
      return [
        unreadable(base.host, `GET /config_dump: ${dump.status}, and no dump of Envoy’s configuration`),
      ];
    const counters = countersIn(jsonOf(stats));
    const findings = [...checkReached(config, counters), ...checkPassedBy(counters)];
    return sectionsOf(base.host, config, findings, expected);
  } finally {
    await asker.close();
  }
}

function unreadable(name: string, saw: string): Section {
  return { kind: 'envoy', name, detail: '', findings: [envoyProblem('envoy_unreadable', saw)] };
}

function sectionsOf(
  name: string,
  config: EnvoyConfig,
  counters: readonly Finding[],
  expected: EnvoyExpectations,
): Section[] {
  const whole = {
    kind: 'envoy',
    name,
    detail: '',
    findings: [...ENVOY_CHECKS.flatMap(check => check(config)), ...counters],
  } as const;
  const filters = config.filters.slice(0, MAX_FILTERS).map(filter => ({
    ...({ kind: 'envoy', name, detail: printable(filter.name, 200) } as const),
    findings: FILTER_CHECKS.flatMap(check => check(filter, config, expected)),
  }));
  return [whole, ...filters];
}
