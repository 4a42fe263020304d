/** What can be wrong with where pods are known from. */
import { findingsOf, type Problem } from './finding.ts';

export const DISCOVERY_PROBLEMS = {
  discovery_incomplete: {
    status: 'fail',
    check: 'discovery',
    means:
      'A source of pods has not said what it knows, so that pods may be missing here, and the router is not ready.',
    advice:
      'look at the API server, and at what the router’s ServiceAccount may list and watch (docs/kubernetes.md)',
  },
  discovery_problem: {
    status: 'warn',
    check: 'discovery',
    means: 'A pod, a host name or an alias is not as the pods file, or Kubernetes, says.',
    advice:
      'correct what is named, in the pods file or the pod’s annotations (docs/configuration.md, docs/kubernetes.md)',
  },
} as const satisfies Record<string, Problem>;

export const discoveryProblem = findingsOf(DISCOVERY_PROBLEMS);
