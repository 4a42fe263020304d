/** What a pod's labels and annotations say of the engine in it: AIBrix's, and our own, which go first. */
import { type KvEventSource, ZONE_LABEL } from '../../domain.ts';
import { POD_FIELDS, publishersSchema, ranks as ranksSchema, tokenizerName } from '../pod-fields.ts';
import type { PodObject } from './pod-object.ts';

/** What is said; the rest is found out from the engine itself. */
export interface PodHints {
  /** undefined: the engine says it. */
  readonly model: string | undefined;
  readonly aliases: readonly string[];
  readonly port: number;
  /** undefined: the port. */
  readonly metricsPort: number | undefined;
  readonly kvEvents: KvEventSource;
  /** Which container the engine is in; undefined: the one that declares its port, else the first. */
  readonly container: string | undefined;
  /** undefined: neither its owner nor Kubernetes says it. */
  readonly zone: string | undefined;
  /** The name of the directory with its model's tokenizer files; undefined: its owner does not say it. */
  readonly tokenizer: string | undefined;
}

/** One thing that could not be read. The pod serves all the same, without it. */
export interface HintProblem {
  /** Of the label or the annotation. */
  readonly key: string;
  /** Its beginning. */
  readonly value: string;
  readonly reason: string;
}

export const AIBRIX = {
  model: 'model.aibrix.ai/name',
  port: 'model.aibrix.ai/port',
  metricsPort: 'model.aibrix.ai/metric-port',
  kvEvents: 'model.aibrix.ai/kv-events-enabled',
  /** Of the pods of one engine that spans several, which serves no API but in the first. */
  rayNode: 'ray.io/node-type',
  podGroupIndex: 'stormservice.orchestration.aibrix.ai/pod-group-index',
  adapter: 'adapter.model.aibrix.ai/name',
} as const;

export const ANNOTATIONS = {
  model: 'warmroute.dev/model',
  aliases: 'warmroute.dev/aliases',
  port: 'warmroute.dev/port',
  metricsPort: 'warmroute.dev/metrics-port',
  container: 'warmroute.dev/container',
  kvEvents: 'warmroute.dev/kv-events',
  kvEventsPort: 'warmroute.dev/kv-events-port',
  replayPort: 'warmroute.dev/replay-port',
  ranks: 'warmroute.dev/ranks',
  zone: 'warmroute.dev/zone',
  tokenizer: 'warmroute.dev/tokenizer',
} as const;

const OURS = 'warmroute.dev/';
/** Of a value, in a problem. */
const MAX_TOLD_CHARACTERS = 100;
const DEFAULT_PORT = 8_000;
const EVENTS_PORT = 5_557;
const REPLAY_PORT = 5_558;
/** Where AIBrix expects them, and vLLM's documentation has them. */
const USUAL_EVENTS: KvEventSource = { kind: 'zmq', port: EVENTS_PORT, replayPort: REPLAY_PORT, ranks: 1 };

/** Whether the pod is a worker of an engine whose API is served by another pod. */
export function isWorker({ labels }: PodObject): boolean {
  return labels[AIBRIX.rayNode] === 'worker' || Number(labels[AIBRIX.podGroupIndex]) > 0;
}

/** What a label or an annotation says, or why that cannot be read. */
type Read<T> = { readonly data: T; readonly error?: undefined } | Unreadable;
interface Unreadable {
  readonly error: { readonly issues: readonly { readonly message: string }[] };
}

export function readHints(pod: PodObject): {
  readonly hints: PodHints;
  readonly problems: readonly HintProblem[];
} {
  const metadata = new MetadataReader(pod);
  return {
    hints: {
      // Labels cannot have a `/`; AIBrix takes names that do from an annotation.
      model: metadata.first([ANNOTATIONS.model, AIBRIX.model], text => POD_FIELDS.model.safeParse(text)),
      aliases: [
        ...(metadata.first([ANNOTATIONS.aliases], listed) ?? []),
        ...(metadata.first([AIBRIX.adapter], listed) ?? []),
      ],
      port: metadata.first([ANNOTATIONS.port, AIBRIX.port], portIn) ?? DEFAULT_PORT,
      metricsPort: metadata.first([ANNOTATIONS.metricsPort, AIBRIX.metricsPort], portIn),
      kvEvents: kvEventsOf(metadata),
      container: metadata.first([ANNOTATIONS.container], text =>
        pod.containers.some(({ name }) => name === text)
          ? { data: text }
          : unreadable('the pod has no container of this name'),
      ),
      // A name, and no path: whoever may annotate pods is not whoever runs the router.
      tokenizer: metadata.first([ANNOTATIONS.tokenizer], text => tokenizerName.safeParse(text)),
      // Kubernetes copies the node's label to a pod that is bound to it (PodTopologyLabels, on by default since 1.35).
      zone: metadata.first([ANNOTATIONS.zone, ZONE_LABEL], text => POD_FIELDS.zone.safeParse(text)),
    },
    problems: metadata.problems,
  };
}

/** Reads labels and annotations, and keeps what is wrong with them. */
class MetadataReader {
  readonly problems: HintProblem[] = [];
  readonly #pod: PodObject;

  constructor(pod: PodObject) {
    this.#pod = pod;
    const known = new Set<string>(Object.values(ANNOTATIONS));
    for (const key of Object.keys(pod.annotations))
      if (key.startsWith(OURS) && !known.has(key)) this.bad(key, 'there is no such annotation');
  }

  bad(key: string, reason: string): void {
    const value = (this.#valueOf(key) ?? '').slice(0, MAX_TOLD_CHARACTERS);
    this.problems.push({ key, value, reason });
  }

  /** Of the first key that says something that can be read. */
  first<T>(keys: readonly string[], read: (text: string) => Read<T>): T | undefined {
    for (const key of keys) {
      const text = this.#valueOf(key);
      if (text === undefined) continue;
      const { data, error } = read(text) as { data?: T } & Partial<Unreadable>;
      if (error === undefined) return data;
      this.bad(key, error.issues.map(({ message }) => message).join('; '));
    }
    return undefined;
  }

  /** A blank value says nothing: templates leave such behind. Labels of our own are not read: what is said of a pod may not fit there. */
  #valueOf(key: string): string | undefined {
    const { labels, annotations } = this.#pod;
    return (!key.startsWith(OURS) && labels[key]?.trim()) || annotations[key]?.trim() || undefined;
  }
}

function kvEventsOf(metadata: MetadataReader): KvEventSource {
  const kind = metadata.first([ANNOTATIONS.kvEvents], text =>
    text === 'none' || text === 'auto' || text === 'zmq'
      ? { data: text }
      : unreadable('must be none, auto or zmq'),
  );
  if (kind === 'none' || kind === 'auto') return { kind };
  const given = {
    port: metadata.first([ANNOTATIONS.kvEventsPort], portIn),
    replayPort: metadata.first([ANNOTATIONS.replayPort], portIn),
    ranks: metadata.first([ANNOTATIONS.ranks], text => ranksSchema.safeParse(numberIn(text))),
  };
  if (Object.values(given).some(value => value !== undefined)) {
    const { data, error } = publishersSchema.safeParse({ ...given, port: given.port ?? EVENTS_PORT });
    if (data !== undefined) return data;
    for (const { path, message } of error.issues)
      metadata.bad(KEY_OF[String(path[0])] ?? ANNOTATIONS.kvEvents, message);
  } else if (kind === 'zmq') return USUAL_EVENTS;
  const isOn = metadata.first([AIBRIX.kvEvents], text =>
    text === 'true' || text === 'false' ? { data: text === 'true' } : unreadable('must be true or false'),
  );
  if (isOn === undefined) return { kind: 'auto' };
  return isOn ? USUAL_EVENTS : { kind: 'none' };
}

/** By the names of `publishersSchema`. */
const KEY_OF: Readonly<Record<string, string>> = {
  port: ANNOTATIONS.kvEventsPort,
  replayPort: ANNOTATIONS.replayPort,
  ranks: ANNOTATIONS.ranks,
};

function unreadable(message: string): Unreadable {
  return { error: { issues: [{ message }] } };
}

const portIn = (text: string) => POD_FIELDS.port.safeParse(numberIn(text));
const listed = (text: string) =>
  POD_FIELDS.aliases.safeParse(
    text
      .split(',')
      .map(each => each.trim())
      .filter(each => each !== ''),
  );

function numberIn(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
