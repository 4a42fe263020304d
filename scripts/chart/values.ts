/** Reads values.yaml with its comments. */
import { readFile } from 'node:fs/promises';
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';
import { VALUES } from './files.ts';

/** One value: its comment, and its members, as far as these have comments themselves. */
export interface Described {
  readonly name: string;
  readonly description: string;
  /** As YAML reads it. */
  readonly fallback: unknown;
  readonly members: readonly Described[];
}

export async function describedValues(): Promise<readonly Described[]> {
  const { contents } = parseDocument(await readFile(VALUES, 'utf8'));
  if (!isMap(contents)) throw new Error(`${VALUES} is no map`);
  return membersOf(contents);
}

/**
 * The first member's comment belongs to the map for the parser: it is the member's here, and the map's own stands before its name.
 */
function membersOf(map: YAMLMap): readonly Described[] {
  const members = map.items.map(({ key, value }, index) => {
    if (!isScalar(key)) throw new Error('a name that is no text');
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined) ?? '';
    return {
      name: String(key.value),
      description: comment.replaceAll(/\s*\n\s*/g, ' ').trim(),
      fallback: isScalar(value) ? value.value : ((value as YAMLMap | null)?.toJSON() ?? null),
      members: isMap(value) ? membersOf(value) : [],
    };
  });
  return members.some(({ description }) => description !== '') ? members : [];
}
