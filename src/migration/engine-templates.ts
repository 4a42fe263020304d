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
const ROLE = 'role-name';
const MAX_DEPTH = 12;

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

/** Every pod template with a model's label, however deep: roles of a StormService, groups of a RayClusterFleet. */
export function templatesIn({ kind, namespace, name, raw }: KubeObject): EngineTemplate[] {
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
