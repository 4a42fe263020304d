import type { Pod } from '../domain.ts';
import { type AliasConflict, withoutForeignAliases } from './alias-conflicts.ts';
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
  readonly #onConflict: (conflict: AliasConflict) => void;
  readonly #known: (readonly PodEntry[])[] = [];
  /** Those that were reported, as long as they last. */
  #conflicts = new Set<string>();
  /** By name, the model that it stands for. */
  #roots: ReadonlyMap<string, string> = new Map();

  /** @param onConflict an alias that models of two pods have, reported when it begins: the pods of one of them are without it */
  constructor(
    registry: Pick<PodRegistry, 'replace'>,
    onConflict: (conflict: AliasConflict) => void = () => {},
  ) {
    this.#registry = registry;
    this.#onConflict = onConflict;
  }

  /** One source more. Its sink throws, and changes nothing, if two of its own pods share a name. */
  add(): PodSink {
    const at = this.#known.push([]) - 1;
    return {
      replace: entries => {
        const before = this.#known[at]!;
        this.#known[at] = entries;
        try {
          this.#registry.replace(this.#withoutConflicts(this.#merged()));
        } catch (error) {
          this.#known[at] = before;
          throw error;
        }
      },
    };
  }

  #withoutConflicts(all: readonly PodEntry[]): readonly PodEntry[] {
    const { entries, conflicts, roots } = withoutForeignAliases(all, this.#roots);
    this.#roots = roots;
    const reported = this.#conflicts;
    this.#conflicts = new Set(conflicts.map(({ alias, other }) => JSON.stringify([alias, other])));
    for (const conflict of conflicts)
      if (!reported.has(JSON.stringify([conflict.alias, conflict.other]))) this.#onConflict(conflict);
    return entries;
  }

  #merged(): readonly PodEntry[] {
    const [first = [], ...others] = this.#known.filter(entries => entries.length > 0);
    if (others.length === 0) return first;
    const merged = [...first];
    const taken = new Set(first.flatMap(namesOf));
    for (const entries of others) {
      for (const entry of entries) {
        const ours = ({ name, ip, port }: Pod) => !taken.has(name) && !taken.has(at(ip, port));
        const { pods, unready = [] } = entry;
        const kept = { pods: pods.filter(ours), unready: unready.filter(ours) };
        const [had, has] = [pods.length + unready.length, kept.pods.length + kept.unready.length];
        if (has === had) merged.push(entry);
        else if (has > 0) merged.push({ ...entry, ...kept });
      }
      for (const name of entries.flatMap(namesOf)) taken.add(name);
    }
    return merged;
  }
}

function namesOf({ pods, unready = [] }: PodEntry): string[] {
  return [...pods, ...unready].flatMap(({ name, ip, port }) => [name, at(ip, port)]);
}

/** No pod is called so: names have no blanks. */
function at(ip: string, port: number): string {
  return `at ${ip} ${port}`;
}
