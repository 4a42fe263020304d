import type { SecondaryRole } from './cache-groups.ts';

/** How the blocks of a secondary group lie to those of the main one (`secondary-groups.ts` has the picture). */
export interface CellShape {
  /** Blocks of the main group in a cell. */
  readonly cellBlocks: number;
  /** Blocks of the secondary group in a cell. */
  readonly blocks: number;
  /** What a prefix needs of the secondary group: so many whole cells before its end, all if there are fewer, … */
  readonly wholeCells: number;
  /** … and so many of the last blocks of the cell before those. Fewer than are in a cell. */
  readonly tailBlocks: number;
}

export function cellShapeOf(role: SecondaryRole, mainBlockSizeTokens: number): CellShape {
  // Blocks without a size are identified by their hashes alone.
  const blockSizeTokens = role.blockSizeTokens || mainBlockSizeTokens;
  const cellTokens = leastCommonMultiple(blockSizeTokens, mainBlockSizeTokens);
  const blocks = cellTokens / blockSizeTokens;
  // A window without blocks still needs one: that is where vLLM begins to look.
  const needed = Math.max(1, role.blocks);
  const isKnown = Number.isFinite(needed);
  return {
    cellBlocks: cellTokens / mainBlockSizeTokens,
    blocks,
    wholeCells: isKnown ? Math.floor(needed / blocks) : Number.POSITIVE_INFINITY,
    tailBlocks: isKnown ? needed % blocks : 0,
  };
}

/** Of positive integers. Beyond what a double tells exactly no prompt has as many blocks. */
export function leastCommonMultiple(a: number, b: number): number {
  let [divisor, rest] = [a, b];
  while (rest > 0) [divisor, rest] = [rest, divisor % rest];
  return (a / divisor) * b;
}
