/** What can be wrong with a router that runs, by its own account. */
import { findingsOf, type Problem } from '../finding.ts';

export const ROUTER_PROBLEMS = {
  router_unreadable: {
    status: 'warn',
    check: 'router',
    means: 'Something answers at the address of the admin port, and not as a router does.',
    advice: 'give the router’s admin address (--admin URL; WARMROUTE_ADMIN_ADDRESS)',
  },
  router_not_ready: {
    status: 'warn',
    check: 'readiness',
    means: 'The router takes no requests yet: Envoy sends them to another replica, or fails open.',
    advice:
      'wait for its warm-up (WARMROUTE_WARMUP_MS); if no pod is known, look at the section of the discovery above',
  },
  router_version: {
    status: 'warn',
    check: 'router_version',
    means: 'The router that runs is of another version than this program.',
    advice: 'run the doctor of the router’s version, since settings and limits may differ',
  },
  publishers_not_live: {
    status: 'warn',
    check: 'publishers',
    means: 'Event streams of which the router does not believe all, or hears nothing.',
    advice: 'docs/events.md#states-of-a-publisher says what each state means, and what helps',
  },
  pods_failing: {
    status: 'warn',
    check: 'pods_health',
    means: 'Pods that the router does not pick, since their polls or answers fail.',
    advice: 'see the section of each pod above, and docs/runbook.md',
  },
  unconfirmed: {
    status: 'warn',
    check: 'predictions',
    means: 'Of the prompts that were sent to a pod more than a fifth did not show up among its blocks.',
    advice: 'docs/events.md#predicted-and-real has the usual causes; compare with parity above',
  },
} as const satisfies Record<string, Problem>;

export const routerProblem = findingsOf(ROUTER_PROBLEMS);
