import { endpointOf, type KvEventSource, type Pod } from '../../domain.ts';
import type { PodSink } from '../pod-sources.ts';
import { reservedFor } from '../reserved-address.ts';
import type { PodEntry } from '../spec.ts';
import type { EngineNames, NamesOfEngines } from './engine-names.ts';
import { type HintProblem, isWorker, type PodHints, readHints } from './hints.ts';
import type { PodObject } from './pod-object.ts';

/** Something about a pod that is not as its owner wants it. Each is told once of a pod. */
export type PodProblem =
  | ({ readonly kind: 'bad_annotation'; readonly pod: string } & HintProblem)
  /** Neither its labels, its annotations nor its engine say which model it serves: it gets no requests. */
  | { readonly kind: 'no_model'; readonly pod: string }
  /** Its label or annotation names a model that its engine does not serve. */
  | {
      readonly kind: 'model_not_served';
      readonly pod: string;
      readonly model: string;
      readonly served: readonly string[];
    }
  /** No engine can be there: it gets no requests. */
  | { readonly kind: 'impossible_address'; readonly pod: string; readonly ip: string; readonly what: string }
  /** Another pod is there already: this one gets no requests. */
  | {
      readonly kind: 'shared_address';
      readonly pod: string;
      readonly endpoint: string;
      readonly with: string;
    };

export interface EnginePodsOptions {
  readonly sink: PodSink;
  readonly names: Pick<NamesOfEngines, 'follow' | 'of'>;
  readonly onProblem: (problem: PodProblem) => void;
}

/** Which of its ports are endpoints: what it says itself, or what an InferencePool says of all its pods. */
export type EndpointPorts = readonly number[] | 'own';

/** One engine behind one port of one pod. */
interface Engine {
  readonly object: PodObject;
  readonly hints: PodHints;
  readonly name: string;
  readonly ip: string;
  readonly port: number;
  /** Which of so many endpoints of the pod. */
  readonly at: number;
  readonly of: number;
  readonly incarnation: string;
  /** `starting`: this incarnation was never ready yet. */
  readonly standing: 'ready' | 'resting' | 'starting';
}

interface Known extends Engine {
  readonly served: EngineNames | 'none' | undefined;
  readonly entry: PodEntry | undefined;
}

/** Names of an engine that are taken; it is a guest. */
const MAX_NAMES = 1_024;
const MAX_NAME_CHARACTERS = 512;
/** Of names, in a problem. */
const MAX_TOLD = 10;
const MAX_PORT = 65_535;

/**
 * Makes pods of Pods: keeps a sink equal to the engines that are ready, or may soon be it again. A pod that is not ready any more
 * rests: it is not picked, and what it holds is remembered. One that is being deleted is gone. Another uid, another start of the
 * engine's container, or another address is another engine.
 */
export class EnginePods {
  readonly #options: EnginePodsOptions;
  #objects: readonly PodObject[] = [];
  #ports: EndpointPorts = 'own';
  #known: ReadonlyMap<string, Known> = new Map();
  #waiting = 0;
  /** By pod, so that it goes with it. */
  #told = new Map<string, Set<string>>();
  #hints = new WeakMap<PodObject, ReturnType<typeof readHints>>();

  constructor(options: EnginePodsOptions) {
    this.#options = options;
  }

  /** Ready pods of which it is not known which model they serve. */
  get waiting(): number {
    return this.#waiting;
  }

  /** These are all Pods there are now. */
  update(objects: Iterable<PodObject>, ports: EndpointPorts): void {
    this.#objects = [...objects].sort(byKey);
    this.#ports = ports;
    this.publish();
  }

  /** To be called when some engine serves other names than before. */
  publish(): void {
    const here = this.#objects.filter(object => object.condition !== 'over' && !isWorker(object));
    const told = this.#told;
    this.#told = new Map();
    for (const object of here) this.#told.set(object.key, told.get(object.key) ?? new Set());

    const engines = this.#withOwnAddresses(here.flatMap(object => this.#enginesOf(object)));
    this.#options.names.follow(
      engines.filter(({ standing }) => standing !== 'starting').map(engine => podOf(engine, '', [])),
    );
    this.#waiting = 0;
    const known = new Map(engines.map(engine => [engine.name, this.#knownOf(engine)]));
    this.#known = known;
    const entries = [...known.values()].flatMap(({ entry }) => entry ?? []);
    const unborn = here.filter(({ ip }) => ip === undefined).flatMap(object => this.#unbornOf(object));
    this.#options.sink.replace([...entries, ...unborn]);
  }

  #hintsOf(object: PodObject): PodHints {
    let read = this.#hints.get(object);
    if (read === undefined) {
      read = readHints(object);
      this.#hints.set(object, read);
    }
    for (const problem of read.problems) this.#tell({ kind: 'bad_annotation', pod: object.key, ...problem });
    return read.hints;
  }

  #enginesOf(object: PodObject): Engine[] {
    const { ip } = object;
    if (ip === undefined) return [];
    const hints = this.#hintsOf(object);
    const reserved = reservedFor(ip);
    if (reserved !== undefined) {
      this.#tell({ kind: 'impossible_address', pod: object.key, ip, what: reserved });
      return [];
    }
    const ports = this.#ports === 'own' ? [hints.port] : this.#ports;
    const incarnation = `${object.uid} ${startOf(object, hints, ports[0])}`;
    return ports.map((port, at) => {
      const name = ports.length === 1 ? object.key : `${object.key}:${port}`;
      const before = this.#known.get(name);
      const isSame = before?.incarnation === incarnation && before.ip === ip && before.port === port;
      const wasReady = isSame && before.standing !== 'starting';
      const standing = object.condition === 'ready' ? 'ready' : wasReady ? 'resting' : 'starting';
      return { object, hints, name, ip, port, at, of: ports.length, incarnation, standing };
    });
  }

  /** Of several at one address the one that is ready, and of these the oldest: an address is a node's with `hostNetwork`. */
  #withOwnAddresses(engines: readonly Engine[]): Engine[] {
    const owners = new Map<string, Engine>();
    for (const engine of engines) {
      if (engine.standing === 'starting') continue;
      const other = owners.get(endpointOf(engine));
      if (other === undefined || goesFirst(engine, other)) owners.set(endpointOf(engine), engine);
    }
    return engines.filter(engine => {
      const owner = owners.get(endpointOf(engine));
      if (owner === undefined || owner === engine) return true;
      if (engine.standing === 'ready') {
        const pod = engine.object.key;
        this.#tell({ kind: 'shared_address', pod, endpoint: endpointOf(engine), with: owner.name });
      }
      return false;
    });
  }

  #knownOf(engine: Engine): Known {
    const served = engine.standing === 'starting' ? undefined : this.#options.names.of(engine.name);
    const before = this.#known.get(engine.name);
    const isAsBefore =
      before !== undefined &&
      before.object === engine.object &&
      before.at === engine.at &&
      before.of === engine.of &&
      before.port === engine.port &&
      before.standing === engine.standing &&
      before.served === served;
    const entry = isAsBefore ? before.entry : this.#entryOf(engine, served);
    if (entry === undefined && engine.standing === 'ready') this.#waiting++;
    return { ...engine, served, entry };
  }

  /** undefined: it is not known which model it serves. */
  #entryOf(engine: Engine, served: Known['served']): PodEntry | undefined {
    const { hints, standing, object } = engine;
    const [names, adapters] = namesIn(served);
    const model = hints.model ?? names[0];
    if (model === undefined) {
      if (served !== undefined && standing === 'ready') this.#tell({ kind: 'no_model', pod: object.key });
      return undefined;
    }
    if (names.length > 0 && ![...names, ...adapters].includes(model)) {
      const shown = names.slice(0, MAX_TOLD);
      this.#tell({ kind: 'model_not_served', pod: object.key, model, served: shown });
    }
    const aliases = new Set([...hints.aliases, ...names, ...adapters]);
    aliases.delete(model);
    const pod = podOf(engine, model, [...aliases]);
    const { ip: address, incarnation: _, ...shared } = pod;
    const spec = { ...shared, address };
    if (standing === 'ready') return { spec, pods: [pod] };
    return standing === 'resting' ? { spec, pods: [], resting: [pod] } : { spec, pods: [] };
  }

  /** Its model is known to be there, though nobody serves it yet. */
  #unbornOf(object: PodObject): PodEntry[] {
    const { model, aliases, port, kvEvents } = this.#hintsOf(object);
    if (model === undefined) return [];
    const spec = { name: object.key, address: '', port, model, aliases, kvEvents, labels: object.labels };
    return [{ spec, pods: [] }];
  }

  #tell(problem: PodProblem): void {
    const told = this.#told.get(problem.pod)!;
    const key = JSON.stringify(problem);
    if (told.has(key)) return;
    told.add(key);
    this.#options.onProblem(problem);
  }
}

/** Names of its base model, and of its adapters, as far as they are names. */
function namesIn(served: Known['served']): readonly [names: readonly string[], adapters: readonly string[]] {
  if (served === undefined || served === 'none') return [[], []];
  const taken = (names: readonly string[]) =>
    names.filter(name => name.length <= MAX_NAME_CHARACTERS && /\S/.test(name)).slice(0, MAX_NAMES);
  return [taken(served.names), taken(served.adapters)];
}

function podOf(engine: Engine, model: string, aliases: readonly string[]): Pod {
  const { name, ip, port, object, incarnation } = engine;
  return { name, ip, port, model, aliases, incarnation, labels: object.labels, kvEvents: eventsOf(engine) };
}

/**
 * Of a pod with several endpoints the engine behind the i-th one is data-parallel rank i, with an API of its own (vLLM's
 * `--data-parallel-multi-port-external-lb`), and publishes on the base plus i. Replay ports that events are published on are none.
 */
function eventsOf({ hints: { kvEvents }, at, of }: Engine): KvEventSource {
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

function goesFirst(a: Engine, b: Engine): boolean {
  if (a.standing !== b.standing) return a.standing === 'ready';
  return a.object.createdAt < b.object.createdAt;
}

function byKey(a: PodObject, b: PodObject): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
