import { isIP } from 'node:net';
import { z } from 'zod';

/** One container of a pod. */
export interface ContainerObject {
  readonly name: string;
  /** That it declares; a container may listen on others. */
  readonly ports: readonly number[];
  /** Another one after each start of the container; '' as long as it was never started. */
  readonly start: string;
}

/** What is kept of a Pod of the Kubernetes API (core/v1): a few hundred bytes of some ten thousand. */
export interface PodObject {
  /** `namespace/name`: what the pod is called everywhere here, as in AIBrix. */
  readonly key: string;
  /** Another one if a pod of the same name is made again. */
  readonly uid: string;
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Those that say something to us. */
  readonly annotations: Readonly<Record<string, string>>;
  /** undefined: it has none yet, or none that is an IP address. */
  readonly ip: string | undefined;
  /** `over`: it is being deleted, or has ended. `unready` is what may become `ready`, or be it again. */
  readonly condition: 'ready' | 'unready' | 'over';
  readonly containers: readonly ContainerObject[];
}

/** A key of an annotation or a label, before the slash. */
const PREFIXES = ['warmroute.dev/', 'model.aibrix.ai/', 'adapter.model.aibrix.ai/'];
/** Longer than any list of adapters; the API server allows 256 KiB. */
const MAX_ANNOTATION_CHARACTERS = 16_384;
const MAX_LABELS = 256;
const MAX_CONTAINERS = 64;

const texts = z.record(z.string(), z.string()).nullish();

const podSchema = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    creationTimestamp: z.string().nullish(),
    deletionTimestamp: z.string().nullish(),
    labels: texts,
    annotations: texts,
  }),
  spec: z
    .object({
      containers: z
        .array(
          z.object({
            name: z.string(),
            ports: z.array(z.object({ containerPort: z.number() })).nullish(),
          }),
        )
        .nullish(),
    })
    .nullish(),
  status: z
    .object({
      phase: z.string().nullish(),
      podIP: z.string().nullish(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish(),
      containerStatuses: z
        .array(
          z.object({
            name: z.string(),
            containerID: z.string().nullish(),
            restartCount: z.number().nullish(),
          }),
        )
        .nullish(),
    })
    .nullish(),
});

/** undefined: this is no Pod. */
export function readPod(raw: unknown): PodObject | undefined {
  const { data } = podSchema.safeParse(raw);
  if (data === undefined) return undefined;
  const { metadata, spec, status } = data;
  const starts = new Map(
    // Without an id, as where nobody runs containers, restarts are counted.
    status?.containerStatuses?.map(each => [each.name, each.containerID || String(each.restartCount ?? 0)]),
  );
  const containers = (spec?.containers ?? []).slice(0, MAX_CONTAINERS).map(({ name, ports }) => ({
    name,
    ports: ports?.map(({ containerPort }) => containerPort) ?? [],
    start: starts.get(name) ?? '',
  }));
  return {
    key: `${metadata.namespace}/${metadata.name}`,
    uid: metadata.uid,
    createdAt: metadata.creationTimestamp ?? '',
    labels: Object.fromEntries(Object.entries(metadata.labels ?? {}).slice(0, MAX_LABELS)),
    annotations: ours(metadata.annotations ?? {}),
    ip: addressIn(status?.podIP),
    condition: conditionOf(data),
    containers,
  };
}

/** An address with a zone (`fe80::1%eth0`) means nothing on another machine. */
function addressIn(text: string | null | undefined): string | undefined {
  return text && isIP(text) !== 0 && !text.includes('%') ? text : undefined;
}

function ours(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(
      ([key, { length }]) =>
        length <= MAX_ANNOTATION_CHARACTERS && PREFIXES.some(prefix => key.startsWith(prefix)),
    ),
  );
}

function conditionOf({ metadata, status }: z.infer<typeof podSchema>): PodObject['condition'] {
  // The kubelet leaves pods that it evicted, or that came to their end, as they are, for as long as nobody deletes them.
  const isOver = status?.phase === 'Failed' || status?.phase === 'Succeeded';
  if (metadata.deletionTimestamp != null || isOver) return 'over';
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' ? 'ready' : 'unready';
}
