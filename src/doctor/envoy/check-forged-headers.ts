/** Whether clients can write what only the router may. */
import { DEBUG, FORGEABLE, ORIGINAL_DST_HOST } from '../../extproc/headers.ts';
import { printable } from '../../printable.ts';
import { type Finding, ok } from '../finding.ts';
import { pickedClusters } from './check-routes.ts';
import type { EnvoyConfig, RouterFilter } from './envoy-config.ts';
import { removedBefore } from './header-rules.ts';
import { isTrue, text } from './json.ts';
import { envoyProblem } from './problems.ts';

/** It asks for nothing that could harm, and the router takes it away. */
const NEEDED = [...FORGEABLE.filter(name => name !== DEBUG), ORIGINAL_DST_HOST];

export function checkForgedHeaders(filter: RouterFilter, config: EnvoyConfig): Finding[] {
  const removed = removedBefore(filter.manager, filter.chain, filter.position);
  const dialled = pickedClusters(filter, config).flatMap(({ name, cluster }) => {
    if (!isTrue(cluster, 'original_dst_lb_config', 'use_http_header')) return [];
    const header = text(cluster, 'original_dst_lb_config', 'http_header_name') ?? ORIGINAL_DST_HOST;
    return removed.has(header.toLowerCase())
      ? []
      : [`cluster ${printable(name, 80)} dials ${printable(header, 80)}`];
  });
  const missing = NEEDED.filter(name => !removed.has(name));
  const findings: Finding[] = [];
  if (dialled.length > 0) findings.push(envoyProblem('open_proxy', dialled.join(', ')));
  if (missing.length > 0)
    findings.push(envoyProblem('forgeable_headers', `not removed: ${missing.join(', ')}`));
  return findings.length > 0 ? findings : [ok('forged_headers', 'removed before they are read')];
}
