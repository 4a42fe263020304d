/** All that is checked of Envoy. */
import type { Finding } from '../finding.ts';
import { checkEnvoyVersion, checkFailureMode, checkFilterPlace, checkFilterPresent } from './check-filter.ts';
import { checkForgedHeaders } from './check-forged-headers.ts';
import { checkBufferLimit, checkMessageTimeout } from './check-limits.ts';
import { checkModeOverride, checkProcessingMode } from './check-modes.ts';
import { checkMetadata, checkMutationRules, checkRouteCache } from './check-mutations.ts';
import { checkHealthCheck, checkResets, checkRouterCluster } from './check-router-cluster.ts';
import { checkRetries, checkTarget } from './check-routes.ts';
import type { EnvoyConfig, RouterFilter } from './envoy-config.ts';
import type { EnvoyExpectations } from './expectations.ts';

export type EnvoyCheck = (config: EnvoyConfig) => readonly Finding[];
export type FilterCheck = (
  filter: RouterFilter,
  config: EnvoyConfig,
  expected: EnvoyExpectations,
) => readonly Finding[];

export const ENVOY_CHECKS: readonly EnvoyCheck[] = [checkEnvoyVersion, checkFilterPresent];

export const FILTER_CHECKS: readonly FilterCheck[] = [
  checkFilterPlace,
  checkFailureMode,
  checkMessageTimeout,
  checkProcessingMode,
  checkModeOverride,
  checkBufferLimit,
  checkMutationRules,
  checkRouteCache,
  checkMetadata,
  checkTarget,
  checkRetries,
  checkForgedHeaders,
  checkRouterCluster,
  checkHealthCheck,
  checkResets,
];
