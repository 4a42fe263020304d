/** `warmroute doctor`: everything that is looked at, all at once, until it is done or the time is over. */
import { endpointOf, type Pod } from '../domain.ts';
import { Slots } from '../slots.ts';
import { type EnvoyExpectations, type EnvoySource, examineEnvoy } from './envoy/examine-envoy.ts';
import { type Finding, type Section, skip } from './finding.ts';
import { findingsOfFleet } from './pods/check-fleet.ts';
import { examinePod, type PodExamination } from './pods/examine-pod.ts';
import { findingsOfPod } from './pods/pod-checks.ts';
import type { PodExpectations, PodFacts } from './pods/pod-facts.ts';
import { podProblem } from './pods/problems.ts';
import { examineRouter, type RouterSource } from './router/examine-router.ts';

export interface ExaminationOptions {
  readonly pods: readonly Pod[];
  readonly pod: PodExamination;
  readonly envoy: EnvoySource | undefined;
  readonly router: RouterSource;
  readonly expected: PodExpectations & EnvoyExpectations;
  /** When it is aborted, what is not done yet is said not to have been looked at. */
  readonly signal: AbortSignal;
}

/** Each takes some sockets, and a prompt on its engine. */
const PODS_AT_ONCE = 16;

export async function examine(options: ExaminationOptions): Promise<Section[]> {
  const { pods, expected, signal, envoy } = options;
  const slots = new Slots(PODS_AT_ONCE);
  const [examined, ofEnvoy, ofRouter] = await Promise.all([
    Promise.all(pods.map(pod => factsOf(pod, options.pod, slots, signal))),
    envoy === undefined ? [] : examineEnvoy(envoy, expected, signal),
    examineRouter(options.router, signal),
  ]);
  const known = examined.filter(facts => facts !== undefined);
  return [
    ...pods.map((pod, i) => podSection(pod, examined[i], expected)),
    {
      kind: 'fleet',
      name: '',
      detail: pods.length === 1 ? 'one' : String(pods.length),
      findings: findingsOfFleet(known),
    },
    ...(envoy === undefined ? [noEnvoy] : ofEnvoy),
    ofRouter,
  ];
}

const noEnvoy: Section = {
  ...{ kind: 'envoy', name: '', detail: '' },
  findings: [
    skip('envoy', 'not looked at: give its admin port (--envoy URL), or a file with its /config_dump'),
  ],
};

/** undefined: the time was over. */
async function factsOf(
  pod: Pod,
  how: PodExamination,
  slots: Slots,
  signal: AbortSignal,
): Promise<PodFacts | undefined> {
  try {
    const facts = await slots.run(signal, () => examinePod(pod, how, signal));
    return signal.aborted ? undefined : facts;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function podSection(pod: Pod, facts: PodFacts | undefined, expected: PodExpectations): Section {
  const findings: Finding[] =
    facts === undefined
      ? [podProblem('not_examined', 'it was not all looked at')]
      : findingsOfPod(facts, expected);
  return {
    kind: 'pod',
    name: pod.name,
    detail: `${endpointOf(pod)}, ${pod.model}${pod.zone ? `, zone ${pod.zone}` : ''}`,
    findings,
  };
}
