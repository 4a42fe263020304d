import type { AliasConflict } from './alias-conflicts.ts';
import type { UnresolvedHost } from './host-names.ts';
import type { PodProblem } from './kubernetes/pod-problem.ts';
import type { PodsFileProblem } from './pods-file.ts';
import type { ReservedAddress } from './reserved-address.ts';

/** Why pods are not as the operator wants them. None is terminal: what was last known good stays in force. */
export type DiscoveryProblem =
  | { readonly kind: 'invalid_file'; readonly path: string; readonly problems: readonly PodsFileProblem[] }
  | {
      readonly kind: 'unreadable_file';
      readonly path: string;
      readonly code: string;
      readonly reason: string;
    }
  | ({ readonly kind: 'unresolved_host' } & UnresolvedHost)
  | PodProblem
  /** Of `namespace/name`. */
  | { readonly kind: 'missing_pool'; readonly pool: string }
  | ({ readonly kind: 'alias_of_two' } & AliasConflict)
  /** Pods are where no engine can be. They are used all the same. */
  | { readonly kind: 'reserved_address'; readonly findings: readonly ReservedAddress[] };

const MAX_SHOWN = 10;

/** One problem in words; the lines after the first are one finding each. */
export function describeProblem(problem: DiscoveryProblem): string {
  switch (problem.kind) {
    case 'invalid_file': {
      const findings = problem.problems.map(({ place, reason }) => `\n  ${place}: ${reason}`);
      return `the pods file ${problem.path} is not valid:${findings.join('')}`;
    }
    case 'unreadable_file':
      return `the pods file ${problem.path} cannot be read: ${problem.reason}`;
    case 'unresolved_host': {
      const kept =
        problem.keptAddresses.length > 0 ? `keeping ${problem.keptAddresses.join(', ')}` : 'no pods there';
      return `the host name ${problem.host} does not resolve (${kept}): ${problem.reason}`;
    }
    case 'bad_annotation': {
      const { key, pod, value, reason } = problem;
      return `${key} of pod ${pod} is left out: ${JSON.stringify(value)} ${reason}`;
    }
    case 'no_model':
      return `it is not known which model pod ${problem.pod} serves, so it gets no requests: its engine does not say it (GET /v1/models); annotate the pod with warmroute.dev/model`;
    case 'model_not_served':
      return `pod ${problem.pod} is said to serve ${JSON.stringify(problem.model)}, and its engine serves ${problem.served.join(', ')}: requests for the first will fail there`;
    case 'impossible_address':
      return `no engine can be at ${problem.ip} (${problem.what}): pod ${problem.pod} gets no requests`;
    case 'shared_address':
      return `pod ${problem.pod} is at ${problem.endpoint}, as ${problem.with} is: it gets no requests; two pods with hostNetwork on one node need ports of their own (warmroute.dev/port)`;
    case 'missing_pool':
      return `the InferencePool ${problem.pool} does not exist: there are no pods of it`;
    case 'alias_of_two':
      return `${JSON.stringify(problem.alias)} stands for ${JSON.stringify(problem.model)}: pods of ${JSON.stringify(problem.other)} that have it too get no requests for it`;
    case 'reserved_address': {
      const shown = problem.findings
        .slice(0, MAX_SHOWN)
        .map(each => `${each.of} at ${each.address} (${each.what})`);
      const more = problem.findings.length - shown.length;
      return `no engine can be there: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    }
  }
}
