/** Engines' workloads as AIBrix's labels, annotations and their own commands describe them. */
import { SETTINGS } from '../settings/settings.ts';
import { type Finding, finding } from './finding.ts';
import {
  at,
  isRecord,
  type Json,
  type KubeObject,
  listAt,
  recordAt,
  textAt,
  textsAt,
} from './kube-object.ts';

const MODEL = 'model.aibrix.ai/name';
const KV_EVENTS = 'model.aibrix.ai/kv-events-enabled';
const PROFILES = 'model.aibrix.ai/config';
const ROLE = 'role-name';
/** What discovery takes for granted where `kv-events-enabled` is true. */
const EVENTS_PORT = 5_557;
const REPLAY_PORT = 5_558;

/** Pods that are made alike. */
export interface EngineTemplate {
  /** `namespace/name`, and the role or group in it. */
  readonly about: string;
  readonly namespace: string;
  readonly model: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** What the container runs, as one text. */
  readonly command: string;
  readonly environment: readonly string[];
  /** Of a disaggregated engine; undefined: it does both. */
  readonly role: 'prefill' | 'decode' | undefined;
}

export interface ReadEngines {
  readonly engines: readonly EngineTemplate[];
  readonly findings: readonly Finding[];
}

const EVENTS_OPTION = '--kv-events-config';
const MAX_DEPTH = 12;

/** Where Warmroute has from what engines hold. */
export type CacheSource = 'events' | 'history';

export function readEngines(objects: readonly KubeObject[], source: CacheSource): ReadEngines {
  // A ReplicaSet or a pod repeats what its owner's manifest says.
  const owned = (object: KubeObject) => listAt(object.raw, 'metadata', 'ownerReferences').length > 0;
  const engines = objects.flatMap(object => (owned(object) ? [] : templatesIn(object)));
  const findings = engines.flatMap(engine => findingsOn(engine, source));
  for (const { kind, name, namespace } of objects) {
    const about = `${namespace}/${name}`;
    if (kind === 'ModelClaim') {
      findings.push(
        finding('dropped', about, 'engines that sleep are not woken by a request for their model'),
      );
    } else if (kind === 'ModelAdapter') {
      findings.push(finding('kept', about, 'its adapter is found on the pods by GET /v1/models'));
    }
  }
  return { engines, findings };
}

/** Every pod template with a model's label, however deep: roles of a StormService, groups of a RayClusterFleet. */
function templatesIn({ kind, namespace, name, raw }: KubeObject): EngineTemplate[] {
  const found: EngineTemplate[] = [];
  const about = `${namespace}/${name}`;
  const visit = (value: unknown, labels: Json, annotations: Json, role: string, depth: number): void => {
    if (depth > MAX_DEPTH) return;
    if (Array.isArray(value)) {
      for (const each of value) visit(each, labels, annotations, role, depth + 1);
      return;
    }
    if (!isRecord(value)) return;
    const own = { ...labels, ...recordAt(value, 'metadata', 'labels') };
    const ownAnnotations = { ...annotations, ...recordAt(value, 'metadata', 'annotations') };
    const containers = listAt(value, 'spec', 'containers');
    if (containers.length > 0) {
      const texts = { labels: textsAt(own), annotations: textsAt(ownAnnotations) };
      const model = texts.labels[MODEL] ?? texts.annotations[MODEL];
      if (model === undefined) return;
      const roleName = texts.labels[ROLE] ?? role;
      found.push({
        ...{ about: role === '' ? about : `${about} (${role})`, namespace, model, ...texts },
        command: containers.map(commandOf).join('\n'),
        environment: containers.flatMap(each =>
          listAt(each, 'env').flatMap(entry => textAt(entry, 'name') ?? []),
        ),
        role: roleName === 'prefill' || roleName === 'decode' ? roleName : undefined,
      });
      return;
    }
    const next = textAt(value, 'name') ?? role;
    for (const [key, each] of Object.entries(value)) {
      if (key !== 'metadata' && key !== 'status') visit(each, own, ownAnnotations, next, depth + 1);
    }
  };
  if (kind === 'Pod') visit(raw, {}, {}, '', 0);
  else visit(at(raw, 'spec'), {}, {}, '', 0);
  return found;
}

function commandOf(container: unknown): string {
  return [...listAt(container, 'command'), ...listAt(container, 'args')].map(String).join(' ');
}

function findingsOn(engine: EngineTemplate, source: CacheSource): Finding[] {
  const { about, role, command, environment, annotations } = engine;
  const findings: Finding[] = [...eventFindings(engine, source)];
  const told = (weight: Finding['weight'], text: string) => findings.push(finding(weight, about, text));
  if (role !== undefined) {
    told(
      'first',
      `is a ${role} engine: prefill and decode are not routed apart, and requests would go to either. Leave this model with AIBrix, or give it engines that do both`,
    );
  }
  if (/--api-key\b/.test(command) || environment.includes('VLLM_API_KEY')) {
    told(
      'first',
      'wants an API key: Warmroute asks it for tokens with the one in WARMROUTE_ENGINE_API_KEY_FILE',
    );
  }
  if (/--no-enable-prefix-caching\b|--disable-radix-cache\b/.test(command)) {
    told('first', 'has no prefix cache: nothing is gained by routing to it by prefix');
  }
  if (annotations[PROFILES] !== undefined) findings.push(...profileFindings(about, annotations[PROFILES]));
  return findings;
}

/** What the engine publishes, and whether discovery knows it by the labels. */
function eventFindings(
  { about, labels, annotations, command }: EngineTemplate,
  source: CacheSource,
): Finding[] {
  const label = labels[KV_EVENTS] ?? annotations[KV_EVENTS];
  const config = jsonAfter(EVENTS_OPTION, command);
  if (config === undefined && command.includes(EVENTS_OPTION)) {
    return [
      finding(
        'first',
        about,
        `its ${EVENTS_OPTION} cannot be read here: see docs/events.md for what it must say`,
      ),
    ];
  }
  const isOn = config !== undefined && at(config, 'enable_kv_cache_events') !== false;
  if (!isOn) {
    if (label === 'true') {
      const text = `has the label ${KV_EVENTS}, but its command does not turn events on (${EVENTS_OPTION}): it announces nothing (docs/events.md)`;
      return [finding('first', about, text)];
    }
    return source === 'events'
      ? [
          finding(
            'first',
            about,
            'announces no KV-cache events: with KV event sync nothing is known of what it holds (docs/events.md)',
          ),
        ]
      : [
          finding(
            'kept',
            about,
            'announces no KV-cache events: what it holds is known from what was routed to it',
          ),
        ];
  }
  const port = portOf(at(config, 'endpoint'));
  const replayPort = portOf(at(config, 'replay_endpoint'));
  const findings: Finding[] = [];
  if (replayPort === undefined) {
    findings.push(
      finding(
        'differs',
        about,
        'has no replay_endpoint: a lost message costs all that is known of it (docs/events.md)',
      ),
    );
  }
  const isUsual = port === EVENTS_PORT && (replayPort ?? REPLAY_PORT) === REPLAY_PORT;
  if (label === 'true' && !isUsual) {
    findings.push(
      finding(
        'first',
        about,
        `publishes on ${port ?? '?'} and replays on ${replayPort ?? '?'}, not on ${EVENTS_PORT} and ${REPLAY_PORT}: annotate its pods with warmroute.dev/kv-events-port: "${port ?? ''}"${replayPort === undefined ? '' : ` and warmroute.dev/replay-port: "${replayPort}"`}`,
      ),
    );
  }
  if (label === undefined) {
    findings.push(
      finding(
        'differs',
        about,
        `announces events without the label ${KV_EVENTS}: AIBrix does not follow it. Warmroute asks it where they are, which vLLM says since 0.31; for an older one set the label`,
      ),
    );
  }
  if (findings.length === 0) {
    const text =
      source === 'events'
        ? 'its events are followed'
        : 'announces events, which are followed with AIBRIX_USE_REMOTE_TOKENIZER and AIBRIX_KV_EVENT_SYNC_ENABLED';
    findings.push(finding('kept', about, text));
  }
  return findings;
}

function profileFindings(about: string, text: string): Finding[] {
  const told = (weight: Finding['weight'], words: string) => finding(weight, `${about} ${PROFILES}`, words);
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    return [told('first', 'is no JSON')];
  }
  const profiles = Object.entries(recordAt(config, 'profiles'));
  const locked = textAt(config, 'lockedRoutingStrategy');
  const strategies = new Set([locked, ...profiles.map(([, profile]) => textAt(profile, 'routingStrategy'))]);
  strategies.delete(undefined);
  const findings = [
    told(
      'first',
      `config profiles are not read: ${quoted([...strategies])} would not be used. Set ROUTING_ALGORITHM, or have clients or routes send the header routing-strategy`,
    ),
  ];
  for (const strategy of strategies) {
    const refused = strategyRefused(strategy!);
    if (refused !== undefined) findings.push(told('first', refused));
  }
  if (profiles.some(([, profile]) => Number(textAt(profile, 'requestsPerSecond')) > 0)) {
    findings.push(
      told(
        'dropped',
        'requestsPerSecond: rates are not limited here; Envoy Gateway’s BackendTrafficPolicy can',
      ),
    );
  }
  return findings;
}

/** Why a strategy would be answered 400; undefined: it is taken. */
export function strategyRefused(strategy: string): string | undefined {
  const { error } = SETTINGS.strategy.read.safeParse(strategy);
  return (
    error &&
    `the strategy ${strategy.slice(0, 80)} is answered 400: ${error.issues.map(({ message }) => message).join('; ')}`
  );
}

const quoted = (texts: readonly unknown[]) =>
  texts.length === 0 ? 'what they say' : texts.join(', ').slice(0, 200);

/** The JSON object that follows an option, in quotes or not; undefined: there is none. */
function jsonAfter(option: string, command: string): unknown {
  const start = command.indexOf(option);
  if (start < 0) return undefined;
  const rest = command.slice(start + option.length);
  const open = /^[\s=]*['"]?\{/.exec(rest)?.[0].length;
  if (open === undefined) return undefined;
  let depth = 0;
  for (let i = open - 1; i < rest.length; i++) {
    if (rest[i] === '{') depth++;
    else if (rest[i] === '}' && --depth === 0) {
      try {
        return JSON.parse(rest.slice(open - 1, i + 1).replaceAll('\\"', '"'));
      } catch {
        return undefined;
      }
    }
  }
  return undefined;
}

function portOf(endpoint: unknown): number | undefined {
  const [, port] = /:(\d+)$/.exec(String(endpoint ?? '')) ?? [];
  return port === undefined ? undefined : Number(port);
}
