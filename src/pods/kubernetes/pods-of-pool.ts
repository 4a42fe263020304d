import { type KubeClient, Reflector } from '../../kubernetes/kubernetes.ts';
import type { EnginePods } from './engine-pods.ts';
import { type PodObject, readPod } from './pod-object.ts';
import { type PoolObject, readPool } from './pool-object.ts';
import { type KubernetesSource, type OnWatchFact, podsPath } from './source.ts';

export interface PodsOfPoolOptions {
  readonly client: KubeClient;
  /** Of the pool, and of its pods: a pool selects in its own namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly pods: Pick<EnginePods, 'update'>;
  readonly onFact: OnWatchFact;
  /** The pool is not there, or is there again. */
  readonly onPool: (state: 'missing' | 'found') => void;
}

/** Pods that one selector finds. */
interface Selected {
  readonly selector: string;
  readonly reflector: Reflector<PodObject>;
  objects: ReadonlyMap<string, PodObject>;
}

/**
 * Follows an InferencePool (v1), and the Pods that it selects. While the pods of another selector are listed, those of the last one
 * stay. Without a pool there are no pods.
 */
export class PodsOfPool implements KubernetesSource {
  readonly #options: PodsOfPoolOptions;
  readonly #reflector: Reflector<PoolObject>;
  #pool: PoolObject | undefined;
  #state: 'missing' | 'found' | undefined;
  /** The last one that was listed, which pods are from. */
  #selected: Selected | undefined;
  /** One that is not listed yet. */
  #next: Selected | undefined;
  readonly #stopping = new Set<Promise<void>>();

  constructor(options: PodsOfPoolOptions) {
    this.#options = options;
    const { client, namespace, name, onFact } = options;
    this.#reflector = new Reflector<PoolObject>({
      client,
      path: `/apis/inference.networking.k8s.io/v1/namespaces/${namespace}/inferencepools`,
      query: { fieldSelector: `metadata.name=${name}` },
      project: readPool,
      onChange: objects => this.#onPool(objects.get(`${namespace}/${name}`)),
      onFact: fact => onFact({ what: 'inferencepools', namespace }, fact),
    });
  }

  get missing(): string | undefined {
    const pool = `the InferencePool ${this.#options.namespace}/${this.#options.name}`;
    if (this.#state === undefined) return `${pool} is not read yet`;
    if (this.#pool === undefined) return `${pool} does not exist`;
    return this.#selected === undefined ? `the pods of ${pool} are not listed yet` : undefined;
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
    this.#drop(this.#selected);
    this.#drop(this.#next);
    await Promise.all(this.#stopping);
  }

  #onPool(pool: PoolObject | undefined): void {
    this.#pool = pool;
    const state = pool === undefined ? 'missing' : 'found';
    if (state !== this.#state && (state === 'missing' || this.#state === 'missing'))
      this.#options.onPool(state);
    this.#state = state;
    if (pool === undefined) {
      this.#drop(this.#selected);
      this.#drop(this.#next);
      this.#selected = this.#next = undefined;
    } else if (this.#selected?.selector === pool.selector) {
      this.#drop(this.#next);
      this.#next = undefined;
    } else if (this.#next?.selector !== pool.selector) {
      this.#drop(this.#next);
      this.#next = this.#select(pool.selector);
      this.#next.reflector.start();
    }
    this.#publish();
  }

  #select(selector: string): Selected {
    const { client, namespace, onFact } = this.#options;
    const selected: Selected = {
      selector,
      objects: new Map(),
      reflector: new Reflector<PodObject>({
        client,
        path: podsPath(namespace),
        query: { labelSelector: selector },
        project: readPod,
        onChange: objects => {
          selected.objects = objects;
          if (selected === this.#next) {
            this.#drop(this.#selected);
            this.#selected = selected;
            this.#next = undefined;
          }
          this.#publish();
        },
        onFact: fact => onFact({ what: 'pods', namespace }, fact),
      }),
    };
    return selected;
  }

  #publish(): void {
    const { pods } = this.#options;
    if (this.#pool === undefined) pods.update([], 'own');
    else if (this.#selected !== undefined) pods.update(this.#selected.objects.values(), this.#pool.ports);
  }

  #drop(selected: Selected | undefined): void {
    if (selected === undefined) return;
    const stopped = selected.reflector.stop().finally(() => this.#stopping.delete(stopped));
    this.#stopping.add(stopped);
  }
}
