import type { Found } from '../prefix-index/prefix-index.ts';
import type { GroupNeed, Hybrid, MultiPart } from './holders.ts';

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
export function multiPartMatch(found: Found, { gpu, tiers, hybrid }: MultiPart): TieredDepth {
  const held = found.depthOf(tiers?.anywhere ?? gpu);
  const depth = hybrid === undefined ? held : longestForAll(found, hybrid, held);
  if (tiers === undefined) return { depth, gpu: depth, cpu: 0, storage: 0 };
  const blocks = { gpu: 0, cpu: 0, storage: 0 };
  for (let extent = 0, start = 0; start < depth; start = found.endOf(extent++)) {
    const length = Math.min(depth, found.endOf(extent)) - start;
    if (found.holds(extent, gpu)) blocks.gpu += length;
    else if (found.holds(extent, tiers.cpu)) blocks.cpu += length;
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
  let extent = extentOf(found, depth);
  // The cells from `start` to before `end` are held, and `start` falls from one extent of the prompt to the next.
  for (let start = deepest, end = deepest; start > 0; ) {
    extent = lastExtentUpTo(found, extent, start * cellBlocks);
    const isHeld = found.holds(extent, holder);
    // Those cells whose last block lies in this extent.
    start = extent === 0 ? 0 : Math.floor(found.endOf(extent - 1) / cellBlocks);
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
  return found.holds(extentOf(found, end * cellBlocks), holder);
}

/** The extent that has the last one of so many blocks. */
function extentOf(found: Found, blocks: number): number {
  let extent = 0;
  while (found.endOf(extent) < blocks) extent++;
  return extent;
}

/** The same, where it is known not to be a later one. */
function lastExtentUpTo(found: Found, from: number, blocks: number): number {
  let extent = from;
  while (extent > 0 && found.endOf(extent - 1) >= blocks) extent--;
  return extent;
}
