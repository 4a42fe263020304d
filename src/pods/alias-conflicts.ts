import type { PodEntry } from './spec.ts';

/** An alias that two models have. */
export interface AliasConflict {
  readonly alias: string;
  /** Whose it is, and who does not get it. */
  readonly model: string;
  readonly other: string;
}

/** That are told at a time: pods may have thousands of names. */
const MAX_CONFLICTS = 100;

/**
 * Requests for one name go to pods of one model: another one would see other tokens, and give other answers. So a name belongs to the
 * model that is called so, else to the one that has had it, else to that of the first entry with the alias; other entries are
 * without it.
 * @param before whose each name was, as it was returned the last time: nobody takes over a name that is served
 */
export function withoutForeignAliases(
  entries: readonly PodEntry[],
  before: ReadonlyMap<string, string>,
): {
  readonly entries: readonly PodEntry[];
  readonly conflicts: readonly AliasConflict[];
  /** By name, the model that it stands for. */
  readonly roots: ReadonlyMap<string, string>;
} {
  const roots = new Map(entries.map(({ spec: { model } }) => [model, model]));
  for (const { spec } of entries)
    for (const alias of spec.aliases)
      if (before.get(alias) === spec.model && !roots.has(alias)) roots.set(alias, spec.model);
  const conflicts = new Map<string, AliasConflict>();
  const ours = entries.map(entry => {
    const { model } = entry.spec;
    let isWhole = true;
    for (const alias of entry.spec.aliases) {
      const root = roots.get(alias);
      if (root === undefined) roots.set(alias, model);
      else if (root !== model) {
        isWhole = false;
        if (conflicts.size < MAX_CONFLICTS)
          conflicts.set(JSON.stringify([alias, model]), { alias, model: root, other: model });
      }
    }
    if (isWhole) return entry;
    const isOurs = (alias: string) => roots.get(alias) === model;
    const cut = <T extends { readonly aliases: readonly string[] }>(each: T): T => ({
      ...each,
      aliases: each.aliases.filter(isOurs),
    });
    return {
      spec: cut(entry.spec),
      pods: entry.pods.map(cut),
      ...(entry.unready && { unready: entry.unready.map(cut) }),
    };
  });
  return conflicts.size === 0
    ? { entries, conflicts: [], roots }
    : { entries: ours, conflicts: [...conflicts.values()], roots };
}
