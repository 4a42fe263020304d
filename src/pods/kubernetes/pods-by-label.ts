import { type KubeClient, Reflector } from '../../kubernetes/kubernetes.ts';
import type { EnginePods } from './engine-pods.ts';
import { type PodObject, readPod } from './pod-object.ts';
import { type KubernetesSource, type OnWatchFact, podsPath } from './source.ts';

export interface PodsByLabelOptions {
  readonly client: KubeClient;
  /** As the API takes it. */
  readonly selector: string;
  /** Each is listed and watched by itself; `*` stands for all. */
  readonly namespaces: readonly string[];
  readonly pods: Pick<EnginePods, 'update'>;
  readonly onFact: OnWatchFact;
}

/** Follows the Pods that match a selector in some namespaces, or in all. */
export function podsByLabel(options: PodsByLabelOptions): KubernetesSource {
  const { client, selector, namespaces, pods, onFact } = options;
  const listed = new Map<string, ReadonlyMap<string, PodObject>>();
  const reflectors = namespaces.map(
    namespace =>
      new Reflector<PodObject>({
        client,
        path: podsPath(namespace),
        query: { labelSelector: selector },
        project: readPod,
        onChange(objects) {
          listed.set(namespace, objects);
          pods.update(
            [...listed.values()].flatMap(each => [...each.values()]),
            'own',
          );
        },
        onFact: fact => onFact({ what: 'pods', namespace }, fact),
      }),
  );
  return {
    get missing() {
      const unlisted = namespaces.filter(namespace => !listed.has(namespace));
      return unlisted.length === 0
        ? undefined
        : `the pods of namespace ${unlisted.join(', ')} are not listed yet`;
    },
    start() {
      for (const reflector of reflectors) reflector.start();
    },
    async stop() {
      await Promise.all(reflectors.map(reflector => reflector.stop()));
    },
  };
}
