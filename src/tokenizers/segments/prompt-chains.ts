/** The block hashes of one prompt, kept with its segments so that a conversation's beginning is not hashed again. */
import type { BlockChain, BlockHash, BlockLanes, KeptChains } from '../../domain.ts';
import { blocksEndingIn, type ChainKey, type SegmentNode } from './segment-node.ts';

/** The nodes from the root's child to this one. */
export function pathTo(node: SegmentNode): readonly SegmentNode[] {
  const path: SegmentNode[] = [];
  for (let each = node; each.parent !== undefined; each = each.parent) path.push(each);
  return path.reverse();
}

export class PromptChains implements KeptChains {
  readonly #node: SegmentNode;

  /** @param node the last one of the prompt */
  constructor(node: SegmentNode) {
    this.#node = node;
  }

  firstBlocks(root: BlockHash, blockSizeTokens: number): BlockLanes {
    const key: ChainKey = { ...root, blockSizeTokens };
    const kept: BlockLanes[] = [];
    let length = 0;
    for (const node of pathTo(this.#node)) {
      const lanes = node.lanesOf(key);
      if (lanes === undefined) break;
      kept.push(lanes);
      length += lanes.length;
      if (lanes.length < 2 * blocksEndingIn(node, blockSizeTokens)) break;
    }
    const all = new Uint32Array(length);
    let at = 0;
    for (const lanes of kept) {
      all.set(lanes, at);
      at += lanes.length;
    }
    return all as BlockLanes;
  }

  keep(root: BlockHash, { blockSizeTokens, length, lanes }: BlockChain): void {
    const key: ChainKey = { ...root, blockSizeTokens };
    let at = 0;
    for (const node of pathTo(this.#node)) {
      const blocks = blocksEndingIn(node, blockSizeTokens);
      // A chain may be shorter than its prompt: only so much of long ones is looked up.
      if (at + blocks > length) return;
      if ((node.lanesOf(key)?.length ?? -1) < 2 * blocks)
        node.keepLanes(key, lanes.slice(2 * at, 2 * (at + blocks)) as BlockLanes);
      at += blocks;
    }
  }
}
