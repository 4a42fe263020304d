import type { PodRegistry } from './registry.ts';
import type { PodEntry } from './spec.ts';

/** Where one source of pods says what it knows: all of it, each time. */
export interface PodSink {
  replace(entries: readonly PodEntry[]): void;
}

/**
 * Adds up what several sources know of pods. A pod that two of them know, by its name or by its address, is one pod: the source that was
 * added first has the say.
 */
export class PodSources {
  readonly #registry: Pick<PodRegistry, 'replace'>;
  readonly #known: (readonly PodEntry[])[] = [];

  constructor(registry: Pick<PodRegistry, 'replace'>) {
    this.#registry = registry;
  }

  /** One source more. Its sink throws, and changes nothing, if two of its own pods share a name. */
  add(): PodSink {
    const at = this.#known.push([]) - 1;
    return {
      replace: entries => {
        const before = this.#known[at]!;
        this.#known[at] = entries;
        try {
          this.#registry.replace(this.#merged());
        } catch (error) {
          this.#known[at] = before;
          throw error;
        }
      },
    };
  }

  #merged(): readonly PodEntry[] {
    const [first = [], ...others] = this.#known.filter(entries => entries.length > 0);
    if (others.length === 0) return first;
    const merged = [...first];
    const taken = new Set(first.flatMap(namesOf));
    for (const entries of others) {
      for (const entry of entries) {
        const pods = entry.pods.filter(({ name, ip, port }) => !taken.has(name) && !taken.has(at(ip, port)));
        if (pods.length < entry.pods.length && pods.length === 0) continue;
        merged.push({ ...entry, pods });
      }
      for (const name of entries.flatMap(namesOf)) taken.add(name);
    }
    return merged;
  }
}

function namesOf({ pods }: PodEntry): string[] {
  return pods.flatMap(({ name, ip, port }) => [name, at(ip, port)]);
}

/** No pod is called so: names have no blanks. */
function at(ip: string, port: number): string {
  return `at ${ip} ${port}`;
}
