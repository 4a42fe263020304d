/** Whether there is an ext_proc filter, where it has to be, and what becomes of requests without a router. */
import { printable } from '../../printable.ts';
import { type Finding, ok, skip } from '../finding.ts';
import { requestBodyMode } from './check-modes.ts';
import type { EnvoyConfig, RouterFilter } from './envoy-config.ts';
import { field, isTrue, text, typeOf } from './json.ts';
import { envoyProblem } from './problems.ts';

/** What the tests run against, and since when a router is told the body modes (`protocol_config`). */
const LEAST_MINOR = 39;

/** Filters that decide whether a request may pass at all. */
const GUARDS: ReadonlySet<string> = new Set([
  ...['ApiKeyAuth', 'BasicAuth', 'JwtAuthentication', 'ExtAuthz', 'OAuth2'],
  ...['RBAC', 'RateLimit', 'LocalRateLimit', 'RateLimitQuotaFilterConfig'],
]);

export function checkEnvoyVersion({ minorVersion: minor }: EnvoyConfig): Finding[] {
  if (minor === undefined) return [skip('envoy_version', 'the dump does not say it')];
  return [
    minor < LEAST_MINOR ? envoyProblem('envoy_old', `Envoy 1.${minor}`) : ok('envoy_version', `1.${minor}`),
  ];
}

export function checkFilterPresent({ filters }: EnvoyConfig): Finding[] {
  if (filters.length === 0) return [envoyProblem('no_filter', 'there is no ext_proc filter')];
  return [
    ok(
      'filter',
      filters.length === 1 ? 'one that asks the router' : `${filters.length} that may ask the router`,
    ),
  ];
}

export function checkFilterPlace({ config, chain, position, routes }: RouterFilter): Finding[] {
  const types = chain.map(filter => typeOf(field(filter, 'typed_config')));
  const findings: Finding[] = [];
  if (routes.length === 0) findings.push(envoyProblem('filter_off', 'no route has it on'));
  const router = types.indexOf('Router');
  if (router >= 0 && router < position)
    findings.push(
      envoyProblem('filter_after_router', `at place ${position + 1}; the router filter is at ${router + 1}`),
    );
  const late = chain
    .filter((_, i) => i > position && GUARDS.has(types[i]!))
    .map(filter => printable(text(filter, 'name') ?? '', 80));
  if (late.length > 0) findings.push(envoyProblem('auth_after_filter', `behind it: ${late.join(', ')}`));
  if (isTrue(config, 'observability_mode'))
    findings.push(envoyProblem('shadow_mode', 'observability_mode is on'));
  return findings.length > 0
    ? findings
    : [
        ok(
          'filter',
          `at place ${position + 1} of ${chain.length}, on ${routes.length} ${routes.length === 1 ? 'route' : 'routes'}`,
        ),
      ];
}

export function checkFailureMode({ config }: RouterFilter): Finding[] {
  const isOpen = isTrue(config, 'failure_mode_allow');
  if (isOpen) return [ok('failure_mode', 'requests go on without a router')];
  // A body that passes through the router cannot go on without it.
  if (requestBodyMode(config) === 'FULL_DUPLEX_STREAMED')
    return [ok('failure_mode', 'closed, as streamed bodies are in any case')];
  return [envoyProblem('fails_closed', 'failure_mode_allow is not true')];
}
