/** Which engines are in a Pod, and what a router's pod is made of. Pure: what was before is given. */
import type { KvEventSource, Pod } from '../../domain.ts';
import { reservedFor } from '../reserved-address.ts';
import type { PodEntry } from '../spec.ts';
import type { EngineNames } from './engine-names.ts';
import { type PodHints, readHints } from './hints.ts';
import type { PodObject } from './pod-object.ts';
import type { PodProblem } from './pod-problem.ts';

/** Which of its ports are endpoints: what it says itself, or what an InferencePool says of all its pods. */
export type EndpointPorts = readonly number[] | 'own';

/** One engine behind one port of one pod. */
export interface Engine {
  readonly object: PodObject;
  readonly hints: PodHints;
  /** All that is known of it before it has said what it serves: its model is ''. */
  readonly pod: Pod;
  /** `starting`: this incarnation was never ready yet. */
  readonly standing: 'ready' | 'unready' | 'starting';
}

/** What an engine has said that it serves; `none`: it answers, and does not say; undefined: it has not answered. */
export type Served = EngineNames | 'none' | undefined;

export interface EnginesInPod {
  readonly engines: readonly Engine[];
  readonly problems: readonly PodProblem[];
  /** Names that will be served here, when the pod has an address. */
  readonly expected: PodEntry | undefined;
}

/** Names of an engine that are taken; it is a guest. */
const MAX_NAMES = 1_024;
const MAX_NAME_CHARACTERS = 512;
/** Of names, in a problem. */
const MAX_TOLD = 10;
const MAX_PORT = 65_535;

/** @param before what was in it so far; whoever was ready is `unready` when it is not */
export function enginesIn(object: PodObject, ports: EndpointPorts, before: readonly Engine[]): EnginesInPod {
  const { ip, key, labels } = object;
  const { hints, problems: bad } = readHints(object);
  const problems: PodProblem[] = bad.map(problem => ({ kind: 'bad_annotation', pod: key, ...problem }));
  if (ip === undefined) {
    const { model, aliases, port, kvEvents } = hints;
    const spec = model !== undefined && { name: key, address: '', port, model, aliases, kvEvents, labels };
    return { engines: [], problems, expected: spec ? { spec, pods: [] } : undefined };
  }
  const what = reservedFor(ip);
  if (what !== undefined) {
    problems.push({ kind: 'impossible_address', pod: key, ip, what });
    return { engines: [], problems, expected: undefined };
  }
  const numbers = ports === 'own' ? [hints.port] : ports;
  const incarnation = `${object.uid} ${startOf(object, hints, numbers[0])}`;
  const engines = numbers.map((port, at): Engine => {
    const name = numbers.length === 1 ? key : `${key}:${port}`;
    const kvEvents = eventsOf(hints.kvEvents, at, numbers.length);
    const { metricsPort } = numbers.length === 1 ? hints : {};
    const pod: Pod = {
      ...{ name, ip, port, model: '', aliases: [], incarnation, labels, kvEvents },
      ...(metricsPort !== undefined && { metricsPort }),
      ...(hints.zone !== undefined && { zone: hints.zone }),
      ...(hints.tokenizer !== undefined && { tokenizer: { kind: 'name', name: hints.tokenizer } as const }),
    };
    const wasReady = before.some(other => other.standing !== 'starting' && isSame(other.pod, pod));
    const standing = object.condition === 'ready' ? 'ready' : wasReady ? 'unready' : 'starting';
    return { object, hints, pod, standing };
  });
  return { engines, problems, expected: undefined };
}

/** `entry` undefined: it is not known which model it serves. */
export function entryOf(
  { hints, pod, standing, object }: Engine,
  served: Served,
): { readonly entry: PodEntry | undefined; readonly problem: PodProblem | undefined } {
  const [names, adapters] = namesIn(served);
  const model = hints.model ?? names[0];
  if (model === undefined) {
    const isTold = served !== undefined && standing === 'ready';
    return { entry: undefined, problem: isTold ? { kind: 'no_model', pod: object.key } : undefined };
  }
  const aliases = new Set([...hints.aliases, ...names, ...adapters]);
  const isServed = names.length === 0 || names.includes(model) || adapters.includes(model);
  aliases.delete(model);
  const whole = { ...pod, model, aliases: [...aliases] };
  const { ip: address, incarnation: _, metricsPort: __, ...shared } = whole;
  return {
    entry: {
      spec: { ...shared, address },
      pods: standing === 'ready' ? [whole] : [],
      ...(standing === 'unready' && { unready: [whole] }),
    },
    problem: isServed
      ? undefined
      : { kind: 'model_not_served', pod: object.key, model, served: names.slice(0, MAX_TOLD) },
  };
}

/** Names of its base model, and of its adapters, as far as they are names. */
function namesIn(served: Served): readonly [names: readonly string[], adapters: readonly string[]] {
  if (served === undefined || served === 'none') return [[], []];
  const taken = (names: readonly string[]) =>
    names.filter(name => name.length <= MAX_NAME_CHARACTERS && /\S/.test(name)).slice(0, MAX_NAMES);
  return [taken(served.names), taken(served.adapters)];
}

/**
 * Of a pod with several endpoints the engine behind the i-th one is data-parallel rank i, with an API of its own (vLLM's
 * `--data-parallel-multi-port-external-lb`), and publishes on the base plus i. Replay ports that events are published on are none.
 */
function eventsOf(kvEvents: KvEventSource, at: number, of: number): KvEventSource {
  if (of === 1 || kvEvents.kind !== 'zmq') return kvEvents;
  const { port, replayPort } = kvEvents;
  const last = of - 1;
  if (port + last > MAX_PORT) return { kind: 'auto' };
  const isApart =
    replayPort !== undefined && Math.abs(replayPort - port) >= of && replayPort + last <= MAX_PORT;
  return { kind: 'zmq', port: port + at, replayPort: isApart ? replayPort + at : undefined, ranks: 1 };
}

/** Of the engine's container: another one's restarts are nothing to us. */
function startOf({ containers }: PodObject, { container }: PodHints, port: number | undefined): string {
  const engine =
    containers.find(({ name }) => name === container) ??
    containers.find(({ ports }) => port !== undefined && ports.includes(port)) ??
    containers[0];
  return engine?.start ?? '';
}

function isSame(a: Pod, b: Pod): boolean {
  return a.name === b.name && a.ip === b.ip && a.port === b.port && a.incarnation === b.incarnation;
}
