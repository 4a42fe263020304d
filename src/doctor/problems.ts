/** Every problem that can be found, by its name: the table of docs/doctor.md. */
import { DISCOVERY_PROBLEMS } from './discovery-problems.ts';
import { ENVOY_PROBLEMS } from './envoy/problems.ts';
import type { Problem } from './finding.ts';
import { POD_PROBLEMS } from './pods/problems.ts';
import { ROUTER_PROBLEMS } from './router/problems.ts';

export const PROBLEMS: Readonly<
  Record<'discovery' | 'pods' | 'envoy' | 'router', Readonly<Record<string, Problem>>>
> = {
  discovery: DISCOVERY_PROBLEMS,
  pods: POD_PROBLEMS,
  envoy: ENVOY_PROBLEMS,
  router: ROUTER_PROBLEMS,
};
