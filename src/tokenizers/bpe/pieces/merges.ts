/** A model's merges, by ids. */
import { InvalidTokenizer } from '../refusals.ts';
import type { ModelShape } from '../shape.ts';
import { MergeTable } from './merge-table.ts';

export interface Merges {
  readonly table: MergeTable;
  readonly results: readonly string[];
  /** Ids of what is merged. */
  readonly parts: ReadonlySet<number>;
}

/** Throws InvalidTokenizer. */
export function readMerges({ merges, vocabulary }: ModelShape): Merges {
  const table = MergeTable.withRoomFor(merges.length / 2);
  const results: string[] = [];
  const parts = new Set<number>();
  for (let rank = 0; 2 * rank < merges.length; rank++) {
    const left = merges[2 * rank]!;
    const right = merges[2 * rank + 1]!;
    const result = left + right;
    const ids = [left, right, result].map(token => vocabulary.get(token));
    const [leftId, rightId, resultId] = ids;
    if (leftId === undefined || rightId === undefined || resultId === undefined) {
      throw new InvalidTokenizer(`merge ${rank + 1} has a token that is not in the vocabulary`);
    }
    table.set(leftId, rightId, rank, resultId);
    results.push(result);
    parts.add(leftId).add(rightId);
  }
  return { table, results, parts };
}
