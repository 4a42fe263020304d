import { endpointOf } from '../../domain.ts';
import type { PodSink } from '../pod-sources.ts';
import type { PodEntry } from '../spec.ts';
import type { NamesOfEngines } from './engine-names.ts';
import {
  type EndpointPorts,
  type Engine,
  type EnginesInPod,
  enginesIn,
  entryOf,
  type Served,
} from './engines-in-pod.ts';
import { isWorker } from './hints.ts';
import type { PodObject } from './pod-object.ts';
import type { PodProblem } from './pod-problem.ts';

export interface EnginePodsOptions {
  readonly sink: PodSink;
  readonly names: Pick<NamesOfEngines, 'follow' | 'of'>;
  readonly onProblem: (problem: PodProblem) => void;
}

/** Of one pod: whoever may write its annotations could say something else all the time. */
const MAX_REPORTED = 32;

/** What was made of a Pod: the same as long as nothing changes, so that a change of one costs what one does. */
interface Known extends EnginesInPod {
  readonly object: PodObject;
  readonly ports: EndpointPorts;
  /** Problems that were reported. */
  readonly reported: Set<string>;
}

/**
 * Makes pods of Pods: keeps a sink equal to the engines that are ready, or may soon be it again. A pod that is not ready any more
 * is kept as unready: it is not picked, and what it holds is remembered. One that is being deleted is gone. Another uid, another start of the
 * engine's container, or another address is another engine.
 */
export class EnginePods {
  readonly #options: EnginePodsOptions;
  #objects: readonly PodObject[] = [];
  #ports: EndpointPorts = 'own';
  /** By key. */
  #known: ReadonlyMap<string, Known> = new Map();
  readonly #entries = new WeakMap<
    Engine,
    { readonly served: Served; readonly entry: PodEntry | undefined }
  >();
  #unnamed = 0;

  constructor(options: EnginePodsOptions) {
    this.#options = options;
  }

  /** Ready pods of which it is not known which model they serve. */
  get unnamed(): number {
    return this.#unnamed;
  }

  /** These are all Pods there are now. */
  update(objects: Iterable<PodObject>, ports: EndpointPorts): void {
    const here = [...objects].filter(object => object.condition !== 'over' && !isWorker(object));
    this.#objects = here.sort(byKey);
    this.#ports = ports;
    this.publish();
  }

  /** To be called when some engine serves other names than before. */
  publish(): void {
    const { names, sink } = this.#options;
    this.#known = new Map(this.#objects.map(object => [object.key, this.#knownOf(object)]));
    const known = [...this.#known.values()];
    const engines = this.#withOwnAddresses(known.flatMap(each => each.engines));
    names.follow(engines.filter(({ standing }) => standing !== 'starting').map(({ pod }) => pod));
    this.#unnamed = 0;
    const entries = engines.flatMap(engine => this.#entryOf(engine) ?? []);
    sink.replace([...entries, ...known.flatMap(({ expected }) => expected ?? [])]);
  }

  #knownOf(object: PodObject): Known {
    const before = this.#known.get(object.key);
    if (before?.object === object && before.ports === this.#ports) return before;
    const reported = before?.reported ?? new Set<string>();
    const found = enginesIn(object, this.#ports, before?.engines ?? []);
    for (const problem of found.problems) this.#report(problem, reported);
    return { object, ports: this.#ports, reported, ...found };
  }

  /** Of several at one address the one that is ready, and of these the oldest: an address is a node's with `hostNetwork`. */
  #withOwnAddresses(engines: readonly Engine[]): Engine[] {
    const owners = new Map<string, Engine>();
    for (const engine of engines) {
      if (engine.standing === 'starting') continue;
      const other = owners.get(endpointOf(engine.pod));
      if (other === undefined || goesFirst(engine, other)) owners.set(endpointOf(engine.pod), engine);
    }
    return engines.filter(engine => {
      const endpoint = endpointOf(engine.pod);
      const owner = owners.get(endpoint);
      if (owner === undefined || owner === engine) return true;
      const { key } = engine.object;
      if (engine.standing === 'ready')
        this.#report({ kind: 'shared_address', pod: key, endpoint, with: owner.pod.name });
      return false;
    });
  }

  #entryOf(engine: Engine): PodEntry | undefined {
    const served = engine.standing === 'starting' ? undefined : this.#options.names.of(engine.pod.name);
    const before = this.#entries.get(engine);
    let entry = before?.entry;
    if (before === undefined || before.served !== served) {
      const made = entryOf(engine, served);
      ({ entry } = made);
      this.#entries.set(engine, { served, entry });
      if (made.problem !== undefined) this.#report(made.problem);
    }
    if (entry === undefined && engine.standing === 'ready') this.#unnamed++;
    return entry;
  }

  #report(problem: PodProblem, reported = this.#known.get(problem.pod)!.reported): void {
    const key = JSON.stringify(problem);
    if (reported.has(key) || reported.size >= MAX_REPORTED) return;
    reported.add(key);
    this.#options.onProblem(problem);
  }
}

function goesFirst(a: Engine, b: Engine): boolean {
  if (a.standing !== b.standing) return a.standing === 'ready';
  return a.object.createdAt < b.object.createdAt;
}

function byKey(a: PodObject, b: PodObject): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
