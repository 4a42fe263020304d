/** What alerts and dashboards use of Envoy's own metrics; test/e2e/envoy-metrics.test.ts finds it in a real Envoy. */
import { ENVOY_METRICS } from '../../../scripts/alerts.ts';
import type { Family } from './promql.ts';

export const ENVOY_FAMILIES: readonly Family[] = ENVOY_METRICS.map(name => ({
  kind: 'counter',
  name,
  labels: { envoy_http_conn_manager_prefix: { names: 'a listener' } },
}));
