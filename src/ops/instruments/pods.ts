/** Which pods there are, and how they are. */
import type { ScrapeFailure } from '../../engine-api/engine-metrics.ts';
import type { FailureKind, HealthState, PollFact } from '../../health/pods-health.ts';
import type { KubernetesErrorKind, ReflectorFact, RelistReason } from '../../kubernetes/kubernetes.ts';
import type { DiscoveryProblem } from '../../pods/problem.ts';
import { allOf, counter, gauge, histogram } from './instrument.ts';
import { CALL_SECONDS, POD } from './labels.ts';

/** API servers end a watch after some five to ten minutes. */
const WATCH_SECONDS = [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];

/** `namespace/pods`, `namespace/inferencepools`. */
const WATCHED = { names: 'a path of the Kubernetes API that is watched: namespace and resource' };

type FailedRequest = Extract<ReflectorFact, { kind: 'failed' }>['during'];
type HandlerName = Extract<ReflectorFact, { kind: 'handler_failed' }>['handler'];

export const POD_METRICS = {
  pods: gauge('warmroute_ready_pods', {
    unit: 'pods',
    help: 'Ready pods',
    bad: '0: every request is answered 503, or 404 where no entry has its model. Fewer than were deployed: discovery does not see them.',
  }),
  podHealth: gauge('warmroute_pod_health', {
    unit: 'flag',
    labels: { pod: POD, state: allOf<HealthState>()('healthy', 'failing', 'sleeping', 'unknown') },
    help: '1 for the state of health that a pod is in',
    bad: '`failing`: it gets trials alone. `sleeping`: it is put to sleep, and gets nothing.',
  }),
  podFailures: counter('warmroute_pod_failures_total', {
    unit: 'requests',
    labels: {
      pod: POD,
      why: allOf<FailureKind>()('error_status', 'served_by_other', 'served_by_stranger', 'no_answer'),
    },
    help: 'Watched requests that a pod failed, by why',
    bad: 'A pod that fails many: its log says why.',
  }),
  healthPolls: counter('warmroute_health_polls_total', {
    unit: 'polls',
    labels: {
      outcome: allOf<PollFact['kind']>()(
        'poll_ok',
        'poll_failed',
        'poll_refused',
        'poll_unanswered',
        'poll_void',
      ),
    },
    help: 'Polls of pods’ health, by outcome; `poll_void`: the answer says nothing about health',
    bad: '`poll_refused`, `poll_unanswered` of many pods at once: the network, not the engines.',
  }),
  healthPollSeconds: histogram('warmroute_health_poll_seconds', {
    unit: 'seconds',
    help: 'Time of polls of pods’ health, whatever they came to',
    bad: 'Seconds: engines are too busy to answer, or the network drops packets.',
    buckets: CALL_SECONDS,
  }),
  scrapes: counter('warmroute_engine_scrapes_total', {
    unit: 'reads',
    help: 'Reads of engines’ metrics that succeeded',
    bad: 'None while a strategy compares engines: nothing is known of their load.',
  }),
  scrapeFailures: counter('warmroute_engine_scrape_failures_total', {
    unit: 'reads',
    labels: {
      pod: POD,
      why: allOf<ScrapeFailure>()(
        ...(['refused', 'timeout', 'broken', 'status', 'too_long', 'no_known_metrics'] as const),
      ),
    },
    help: 'Reads of an engine’s metrics that failed, by why',
    bad: 'Any for long: strategies that compare engines leave this one out.',
  }),
  discoveryStale: gauge('warmroute_discovery_stale_seconds', {
    unit: 'seconds',
    labels: { source: allOf<'file' | 'dns' | 'kubernetes'>()('file', 'dns', 'kubernetes') },
    help: 'For how long a source of pods has not been usable: the pods file, some host name in it, or the Kubernetes API, which is to be heard every 90 s; 0 while it is in force',
    bad: 'Minutes: what was last known good stays in force; pods that have come since get no requests, those that have gone still do.',
  }),
  unnamedPods: gauge('warmroute_unnamed_pods', {
    unit: 'pods',
    help: 'Ready pods without requests, as neither they nor their engines have said which model they serve',
    bad: 'Any for long: annotate them with warmroute.dev/model, or see why their `/v1/models` does not answer.',
  }),
  kubernetesSilence: gauge('warmroute_kubernetes_silent_seconds', {
    unit: 'seconds',
    labels: { source: WATCHED },
    help: 'Time since a watch of the Kubernetes API was last heard',
    bad: 'Above 90: the API server is away, or refuses; the pods that were known last serve.',
  }),
  kubernetesListSeconds: histogram('warmroute_kubernetes_list_seconds', {
    unit: 'seconds',
    help: 'Time of whole lists of the Kubernetes API, all pages of one together',
    bad: 'Tens of seconds: the API server is busy, or there are very many objects; pods that have come are not known for so long.',
    buckets: CALL_SECONDS,
  }),
  kubernetesWatchSeconds: histogram('warmroute_kubernetes_watch_seconds', {
    unit: 'seconds',
    help: 'For how long a watch of the Kubernetes API stood, from when it was accepted until it ended',
    bad: 'Below a minute for most: something between ends them, such as a proxy’s time-out. Minutes are usual: the API server ends them itself.',
    buckets: WATCH_SECONDS,
  }),
  kubernetesRelists: counter('warmroute_kubernetes_relists_total', {
    unit: 'reads',
    labels: {
      source: WATCHED,
      reason: allOf<RelistReason>()('expired', 'list_expired', 'malformed', 'refused', 'silent'),
    },
    help: 'Times that everything was listed again, by why',
    bad: '`expired` often: the router is cut off for long, again and again. `silent` now and then is usual where nothing happens.',
  }),
  kubernetesErrors: counter('warmroute_kubernetes_errors_total', {
    unit: 'errors',
    labels: {
      source: WATCHED,
      during: allOf<FailedRequest>()('list', 'watch'),
      error: allOf<KubernetesErrorKind | HandlerName>()(
        ...(['no_credentials', 'unauthorized', 'forbidden', 'not_found', 'expired', 'throttled'] as const),
        ...([
          'server_error',
          'refused',
          'unavailable',
          'timeout',
          'malformed',
          'too_long',
          'aborted',
        ] as const),
        ...(['project', 'onChange'] as const),
      ),
    },
    help: 'Lists and watches of the Kubernetes API that failed, by how; what could not be taken in was during neither',
    bad: '`forbidden`: RBAC lacks a verb, which the log names. `project`, `onChange`: a mistake of Warmroute.',
  }),
  podProblems: counter('warmroute_pod_discovery_problems_total', {
    unit: 'problems',
    labels: {
      kind: allOf<DiscoveryProblem['kind']>()(
        ...(['invalid_file', 'unreadable_file', 'unresolved_host', 'reserved_address'] as const),
        ...(['missing_pool', 'alias_of_two', 'bad_annotation', 'no_model', 'model_not_served'] as const),
        ...(['impossible_address', 'shared_address'] as const),
      ),
    },
    help: 'Problems with the sources of pods, or with what they say, by kind',
    bad: 'Any: what was last known good stays in force, and is out of date from then on.',
  }),
};
