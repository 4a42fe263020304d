import type { Composite, GroupNeed, Hybrid } from './holders.ts';
import type { Found } from './prefix-index.ts';

/** How much of a prompt is held, and where. */
export interface TieredDepth {
  /** Blocks from the first one on without a hole: the sum of the others. */
  readonly depth: number;
  readonly gpu: number;
  readonly cpu: number;
  readonly storage: number;
}

/**
 * How much of a prompt a rank would reuse that holds it in several parts: every block in some tier, and of each secondary
 * KV-cache group what a prefix of that length needs (vLLM's hybrid KV-cache coordinator, which looks for the longest length
 * that suits all groups).
 */
export function compositeDepth(found: Found, { gpu, tiers, hybrid }: Composite): TieredDepth {
  const held = found.depthOf(tiers?.anywhere ?? gpu);
  const depth = hybrid === undefined ? held : longestForAll(found, hybrid, held);
  if (tiers === undefined) return { depth, gpu: depth, cpu: 0, storage: 0 };
  const blocks = { gpu: 0, cpu: 0, storage: 0 };
  for (let stretch = 0, start = 0; start < depth; start = found.endOf(stretch++)) {
    const length = Math.min(depth, found.endOf(stretch)) - start;
    if (found.holds(stretch, gpu)) blocks.gpu += length;
    else if (found.holds(stretch, tiers.cpu)) blocks.cpu += length;
    else blocks.storage += length;
  }
  return { depth, ...blocks };
}

function longestForAll(found: Found, { alignBlocks, needs }: Hybrid, held: number): number {
  let depth = held - (held % alignBlocks);
  for (let before = -1; before !== depth; ) {
    before = depth;
    for (const need of needs) depth = longestFor(found, need, depth, alignBlocks);
  }
  return depth;
}

/** The greatest length up to `depth`, a multiple of `alignBlocks`, before whose end the group has what it needs. */
function longestFor(found: Found, need: GroupNeed, depth: number, alignBlocks: number): number {
  if (depth === 0) return 0;
  const { cellBlocks, cells, holder, before } = need;
  const alignCells = alignBlocks / cellBlocks;
  const deepest = depth / cellBlocks;
  let stretch = stretchOf(found, depth);
  // The cells from `start` to before `end` are held, and `start` falls from one stretch of the prompt to the next.
  for (let start = deepest, end = deepest; start > 0; ) {
    stretch = lastStretchUpTo(found, stretch, start * cellBlocks);
    const isHeld = found.holds(stretch, holder);
    // Those cells whose last block lies in this stretch.
    start = stretch === 0 ? 0 : Math.floor(found.endOf(stretch - 1) / cellBlocks);
    if (!isHeld) {
      end = start;
      continue;
    }
    const last = end - (end % alignCells);
    const first = last - cells;
    if (last <= start) continue;
    const isWhole = first > start || start === 0;
    if (isWhole || (first === start && (before === undefined || holdsCell(found, before, start, cellBlocks))))
      return last * cellBlocks;
  }
  return 0;
}

/** Whether the cell that ends after so many cells is held. */
function holdsCell(found: Found, holder: GroupNeed['holder'], end: number, cellBlocks: number): boolean {
  return found.holds(stretchOf(found, end * cellBlocks), holder);
}

/** The stretch that has the last one of so many blocks. */
function stretchOf(found: Found, blocks: number): number {
  let stretch = 0;
  while (found.endOf(stretch) < blocks) stretch++;
  return stretch;
}

/** The same, where it is known not to be a later one. */
function lastStretchUpTo(found: Found, from: number, blocks: number): number {
  let stretch = from;
  while (stretch > 0 && found.endOf(stretch - 1) >= blocks) stretch--;
  return stretch;
}
