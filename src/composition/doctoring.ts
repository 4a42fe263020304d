/** `warmroute doctor` with the router's own configuration: the same pods, and the same way to their tokens. */
import { type Config, type Environment, usesEvents } from '../config.ts';
import { discoveryProblem } from '../doctor/discovery-problems.ts';
import type { EnvoySource } from '../doctor/envoy/examine-envoy.ts';
import { examine } from '../doctor/examination.ts';
import { type Finding, ok, type Section } from '../doctor/finding.ts';
import { DEFAULT_TIMING, type PodExamination, type PodTiming } from '../doctor/pods/examine-pod.ts';
import type { Pod } from '../domain.ts';
import { type DiscoveryProblem, describeProblem } from '../pods/problem.ts';
import { PodRegistry } from '../pods/registry.ts';
import { deadlineAfter, realSleep } from '../time.ts';
import { VERSION } from '../version.ts';
import { ownUrl } from './addresses.ts';
import { startDiscovery } from './discovering.ts';
import { readEngineAccess } from './engine-access.ts';
import { blockSizes, createTokenizer } from './tokenizing.ts';

export interface DoctorOptions {
  /** Names of pods to look at; none: all. */
  readonly only: readonly string[];
  readonly envoy: EnvoySource | undefined;
  /** The router's admin port; undefined: as it is configured. */
  readonly admin: URL | undefined;
  readonly prompts: PodExamination['prompts'];
  /** Of all of it. */
  readonly timeoutMs: number;
  readonly timing?: PodTiming;
}

export interface DoctorParts {
  /** What leads to the Kubernetes API. */
  readonly environment: Environment;
  readonly ending: AbortSignal;
}

/** There is nothing to look at. Terminal; the message is for operators. */
export class NothingToExamine extends Error {
  override readonly name = 'NothingToExamine';
}

/** How long Kubernetes may take to list pods, and host names to resolve, of the whole time. */
const DISCOVERY_SHARE = 1 / 3;
const LOOK_AGAIN_MS = 50;
const TIME_IS_OVER = new Error('the time was over');

/** Rejects with NothingToExamine, with what `startDiscovery` rejects with, or with the reason of `ending`. */
export async function runDoctor(
  config: Config,
  options: DoctorOptions,
  parts: DoctorParts,
): Promise<Section[]> {
  const access = await readEngineAccess(config).catch((error: Error) => {
    throw new NothingToExamine(error.message);
  });
  const scheme = config.tokenizerEndpointTemplate?.startsWith('https:') ? 'https' : 'http';
  const deadline = deadlineAfter(options.timeoutMs, parts.ending, TIME_IS_OVER);
  try {
    const discovered = await discover(config, { scheme, access }, options, parts);
    const wanted = new Set(options.only);
    const pods = discovered.pods.filter(({ name }) => wanted.size === 0 || wanted.has(name));
    const sections = await examine({
      pods,
      pod: {
        ...{
          scheme,
          apiKey: access.apiKey,
          prompts: options.prompts,
          timing: options.timing ?? DEFAULT_TIMING,
        },
        trust: access.ca === undefined ? { kind: 'system' } : { kind: 'ca', pem: access.ca },
        events: howEventsAreFollowed(config),
        tokenizer:
          config.mode.kind === 'remote' || config.mode.kind === 'remote_with_events'
            ? observed => createTokenizer(config, access, observed)
            : undefined,
        defaultBlockSizeTokens: blockSizes(config),
      },
      envoy: options.envoy,
      router: {
        base: options.admin ?? ownUrl(config.adminAddress),
        why: options.admin === undefined ? 'configured' : 'asked_for',
        ...{ version: VERSION, timeoutMs: DEFAULT_TIMING.questionMs },
      },
      expected: config,
      signal: deadline.signal,
    });
    parts.ending.throwIfAborted();
    return [discovered.section, ...sections];
  } finally {
    deadline.clear();
  }
}

async function discover(
  config: Config,
  how: Pick<Parameters<typeof startDiscovery>[1], 'scheme' | 'access'>,
  { timeoutMs, only }: DoctorOptions,
  { environment, ending }: DoctorParts,
): Promise<{ readonly pods: readonly Pod[]; readonly section: Section }> {
  const registry = new PodRegistry();
  const problems: DiscoveryProblem[] = [];
  const discovery = await startDiscovery(config, {
    ...{ registry, environment, ending, ...how },
    onProblem: problem => problems.push(problem),
    onReload: () => {},
    onWatchFact: () => {},
    onPoolFound: () => {},
    onProgress: () => {},
  });
  try {
    const until = performance.now() + timeoutMs * DISCOVERY_SHARE;
    while ((discovery.missing !== undefined || discovery.unnamed > 0) && performance.now() < until)
      await realSleep(LOOK_AGAIN_MS, ending);
    const { missing } = discovery;
    const pods = registry.pods();
    const unknown = only.find(name => pods.every(pod => pod.name !== name));
    if (unknown !== undefined)
      throw new NothingToExamine(`no pod is called ${unknown}: there are ${namesOf(pods)}`);
    const told = problems.map(describeProblem);
    if (pods.length === 0)
      throw new NothingToExamine(
        ['no pod is known', ...(missing === undefined ? [] : [missing]), ...told].join('\n'),
      );
    const findings: Finding[] = [
      ...(missing === undefined ? [] : [discoveryProblem('discovery_incomplete', missing)]),
      ...told.map(saw => discoveryProblem('discovery_problem', saw)),
    ];
    return {
      pods,
      section: {
        ...{ kind: 'discovery', name: (config.discovery ?? ['file']).join(', '), detail: '' },
        findings:
          findings.length > 0
            ? findings
            : [ok('discovery', pods.length === 1 ? 'one pod' : `${pods.length} pods`)],
      },
    };
  } finally {
    await discovery.stop();
  }
}

const MAX_NAMES = 20;

function namesOf(pods: readonly Pod[]): string {
  const names = pods.slice(0, MAX_NAMES).map(({ name }) => name);
  return `${names.join(', ') || 'none'}${pods.length > MAX_NAMES ? ' and others' : ''}`;
}

function howEventsAreFollowed(config: Config): PodExamination['events'] {
  if (!usesEvents(config.mode))
    return {
      kind: 'not_followed',
      why: 'KV-cache events are not synced (AIBRIX_KV_EVENT_SYNC_ENABLED is off)',
    };
  if (config.kvEventsBind !== undefined) {
    const why =
      'engines dial the router (WARMROUTE_KV_EVENTS_BIND), whose port is not taken here: see its publishers below';
    return { kind: 'not_followed', why };
  }
  return { kind: 'dial', topic: config.kvEventsTopic ?? '' };
}
