import { endpointOf, type Pod } from '../domain.ts';

/** `kv@<pod>@<model>`: the topic that vLLM is configured with, by convention. The pod is its name, its address or `ip:port`. */
const TOPIC = /^kv@([^@]+)@/;

/** Finds what is kept of a pod by the topic that its engine publishes under. */
export class TopicDirectory<T> {
  readonly #byName = new Map<string, Set<T>>();

  add(pod: Pod, entry: T): void {
    for (const name of namesOf(pod)) this.#byName.set(name, (this.#byName.get(name) ?? new Set()).add(entry));
  }

  remove(pod: Pod, entry: T): void {
    for (const name of namesOf(pod)) {
      const entries = this.#byName.get(name);
      entries?.delete(entry);
      if (entries?.size === 0) this.#byName.delete(name);
    }
  }

  /** undefined: no pod is called so, or it could be several. */
  find(topic: string): T | undefined {
    const [entry, ...others] = this.#byName.get(TOPIC.exec(topic)?.[1] ?? '') ?? [];
    return others.length > 0 ? undefined : entry;
  }
}

function namesOf(pod: Pod): Set<string> {
  return new Set([pod.name, pod.ip, `${pod.ip}:${pod.port}`, endpointOf(pod)]);
}
