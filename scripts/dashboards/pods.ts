/** Which pods there are, how they are, and what they have to do. */
import { METRICS } from '../../src/ops/instruments/instruments.ts';
import type { Board } from './board.ts';
import { lines, number, table } from './panels.ts';
import { gauge, largest, orZero, quantile, rate } from './promql.ts';

const { podHealth, podFailures, inFlight, picks } = METRICS;

const inState = (state: 'healthy' | 'failing' | 'sleeping') =>
  orZero(`count(${gauge('max', podHealth, { by: ['pod'], where: { state } })})`);

export const PODS: Board = {
  uid: 'warmroute-pods',
  title: 'pods',
  description: 'The engines: which there are, how they are, how busy they are, and what discovery says.',
  rows: {
    Now: [
      number('Ready pods', {
        about: METRICS.pods,
        unit: 'short',
        limits: { warn: 2, bad: 1, falling: true },
        alert: 'WarmrouteNoPods',
        // Of the router that knows fewest.
        queries: { ready: gauge('min', METRICS.pods) },
      }),
      number('Healthy', { about: podHealth, unit: 'short', queries: { healthy: inState('healthy') } }),
      number('Failing', {
        about: podHealth,
        unit: 'short',
        limits: { warn: 1, bad: 3 },
        alert: 'WarmroutePodFailing',
        queries: { failing: inState('failing') },
      }),
      number('Asleep', { about: podHealth, unit: 'short', queries: { sleeping: inState('sleeping') } }),
      number('In flight', { about: inFlight, unit: 'short', queries: { requests: gauge('sum', inFlight) } }),
      number('Without a model', {
        about: METRICS.unnamedPods,
        unit: 'short',
        limits: { warn: 1, bad: 1 },
        queries: { unnamed: gauge('max', METRICS.unnamedPods) },
      }),
      number('Discovery out of date', {
        about: METRICS.discoveryStale,
        unit: 's',
        limits: { warn: 60, bad: 300 },
        alert: 'WarmrouteDiscoveryStale',
        queries: { stale: gauge('max', METRICS.discoveryStale) },
      }),
      number('Requests that failed', {
        about: podFailures,
        unit: 'reqps',
        alert: 'WarmroutePodFailing',
        queries: { failed: orZero(rate(podFailures)) },
      }),
    ],
    'Pod by pod': [
      table('Pods', {
        about: {
          help: 'Each pod, over all routers that are chosen.',
          bad: 'A pod with requests and no blocks: its events are not heard. Many failures: its log says why.',
        },
        unit: 'short',
        alert: 'WarmroutePodFailing',
        labels: { pod: 'Pod', state: 'Health' },
        queries: {
          state: gauge('max', podHealth, { by: ['pod', 'state'] }),
          'In flight': gauge('sum', inFlight, { by: ['pod'] }),
          'Requests per second': rate(picks, { by: ['pod'] }),
          'Blocks held': `sum by (pod) (${gauge('max', METRICS.publisherBlocks, { by: ['pod', 'rank'] })})`,
          'Event lag, seconds': gauge('max', METRICS.publisherLag, { by: ['pod'] }),
        },
      }),
    ],
    Load: [
      lines('In flight, the 10 busiest', {
        about: inFlight,
        unit: 'short',
        queries: { '{{pod}}': largest(10, gauge('sum', inFlight, { by: ['pod'] })) },
      }),
      lines('Picks, the 10 with most', {
        about: picks,
        unit: 'reqps',
        queries: { '{{pod}}': largest(10, rate(picks, { by: ['pod'] })) },
      }),
      lines('How evenly the load is spread', {
        about: {
          help: 'Requests in flight of the busiest pod, and of all on average.',
          bad: 'The busiest far above the average for long: it is slow, or holds what everybody asks for.',
        },
        unit: 'short',
        queries: {
          busiest: `max(${gauge('sum', inFlight, { by: ['pod'] })})`,
          average: `avg(${gauge('sum', inFlight, { by: ['pod'] })})`,
        },
      }),
    ],
    Health: [
      lines('Pods by state', {
        about: podHealth,
        unit: 'short',
        stacked: true,
        alert: 'WarmroutePodFailing',
        queries: {
          '{{state}}': `count by (state) (${gauge('max', podHealth, { by: ['pod', 'state'] })})`,
        },
      }),
      lines('Failed requests by pod, the 10 with most', {
        about: podFailures,
        unit: 'reqps',
        alert: 'WarmroutePodFailing',
        queries: { '{{pod}} {{why}}': largest(10, rate(podFailures, { by: ['pod', 'why'] })) },
      }),
      lines('Requests while all pods fail', {
        about: {
          help: 'Requests that went to the least loaded of pods that all fail.',
          bad: 'Any: clients get what these pods answer.',
        },
        unit: 'reqps',
        alert: 'WarmrouteAllPodsFailing',
        queries: {
          '{{model}}': largest(
            10,
            rate(METRICS.decisions, { by: ['model'], where: { reason: 'all_failing' } }),
          ),
        },
      }),
      lines('Health polls by outcome', {
        about: METRICS.healthPolls,
        unit: 'suffix: /s',
        stacked: true,
        queries: { '{{outcome}}': rate(METRICS.healthPolls, { by: ['outcome'] }) },
      }),
      lines('Time of health polls', {
        about: METRICS.healthPollSeconds,
        unit: 's',
        queries: {
          p50: quantile(0.5, METRICS.healthPollSeconds),
          p99: quantile(0.99, METRICS.healthPollSeconds),
        },
      }),
      lines('Reads of engines’ metrics', {
        about: METRICS.scrapeFailures,
        unit: 'suffix: /s',
        stacked: true,
        queries: {
          read: orZero(rate(METRICS.scrapes)),
          '{{why}}': rate(METRICS.scrapeFailures, { by: ['why'] }),
        },
      }),
    ],
    Discovery: [
      lines('Ready pods by router', {
        about: {
          help: 'Ready pods that each router knows.',
          bad: 'Routers that differ for long: one does not see what the others do.',
        },
        unit: 'short',
        alert: 'WarmrouteNoPods',
        queries: { '{{instance}}': gauge('max', METRICS.pods, { by: ['instance'] }) },
      }),
      lines('Sources out of date', {
        about: METRICS.discoveryStale,
        unit: 's',
        alert: 'WarmrouteDiscoveryStale',
        queries: { '{{source}}': gauge('max', METRICS.discoveryStale, { by: ['source'] }) },
      }),
      lines('Problems by kind', {
        about: METRICS.podProblems,
        unit: 'suffix: /s',
        alert: 'WarmrouteDiscoveryStale',
        queries: { '{{kind}}': rate(METRICS.podProblems, { by: ['kind'] }) },
      }),
      lines('Kubernetes: since a watch was heard', {
        about: METRICS.kubernetesSilence,
        unit: 's',
        limits: { warn: 90, bad: 300 },
        alert: 'WarmrouteDiscoveryStale',
        queries: { '{{source}}': largest(10, gauge('max', METRICS.kubernetesSilence, { by: ['source'] })) },
      }),
      lines('Kubernetes: lists and watches', {
        about: METRICS.kubernetesWatchSeconds,
        unit: 's',
        queries: {
          'a list takes, p99': quantile(0.99, METRICS.kubernetesListSeconds),
          'a watch stands, p50': quantile(0.5, METRICS.kubernetesWatchSeconds),
        },
      }),
      lines('Kubernetes: listed again', {
        about: METRICS.kubernetesRelists,
        unit: 'suffix: /s',
        queries: { '{{reason}}': rate(METRICS.kubernetesRelists, { by: ['reason'] }) },
      }),
      lines('Kubernetes: failed lists and watches', {
        about: METRICS.kubernetesErrors,
        unit: 'suffix: /s',
        alert: 'WarmrouteDiscoveryStale',
        queries: {
          '{{during}} {{error}}': rate(METRICS.kubernetesErrors, { by: ['during', 'error'] }),
        },
      }),
    ],
  },
};
