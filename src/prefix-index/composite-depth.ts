import type { Composite, GroupNeed } from './holders.ts';
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
 * How much of a prompt a rank would reuse that holds it in several parts: every block in some tier, and of each further
 * KV-cache group what a prefix of that length needs (vLLM's hybrid KV-cache coordinator, which looks for the longest length
 * that suits all groups).
 */
export function compositeDepth(found: Found, { gpu, tiers, groups }: Composite): TieredDepth {
  let depth = found.depthOf(tiers?.anywhere ?? gpu);
  for (let before = -1; before !== depth; ) {
    before = depth;
    for (const group of groups) depth = longestFor(found, group, depth);
  }
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

/** The greatest length up to `depth` whose last blocks, as many as the group needs, are held by it. */
function longestFor(found: Found, { holder, blocks }: GroupNeed, depth: number): number {
  if (depth === 0) return 0;
  let end = depth;
  for (let stretch = stretchOf(found, depth); stretch >= 0; stretch--) {
    const start = stretch === 0 ? 0 : found.endOf(stretch - 1);
    if (!found.holds(stretch, holder)) end = start;
    else if (end - start >= blocks || start === 0) return end;
  }
  return 0;
}

/** The stretch that has the last one of so many blocks. */
function stretchOf(found: Found, blocks: number): number {
  let stretch = 0;
  while (found.endOf(stretch) < blocks) stretch++;
  return stretch;
}
