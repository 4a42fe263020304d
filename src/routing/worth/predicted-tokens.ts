import type { PredictedTokens, Tokens } from '../../domain.ts';
import type { PrefixFound } from '../prefix-lookup.ts';

/** As much of a look-up as is predicted by. */
export type FoundBlocks = Pick<PrefixFound, 'matchedBlocks' | 'blockSizeOf' | 'offGpu'>;

/**
 * What pod `index` is expected not to compute of a prompt. Engines compute the last token in any case, and with it its
 * block: of a prompt that is held to its end, the last block does not count.
 */
export function predictedTokens({ space, ids }: Tokens, found: FoundBlocks, index: number): PredictedTokens {
  const blockSizeTokens = found.blockSizeOf(index) ?? 0;
  const held = found.matchedBlocks[index]!;
  const blocks = held * blockSizeTokens < ids.length ? held : Math.max(0, held - 1);
  const cpu = Math.min(blocks, found.offGpu?.cpu[index] ?? 0);
  const storage = Math.min(blocks - cpu, found.offGpu?.storage[index] ?? 0);
  return {
    space,
    prompt: ids.length,
    blockSizeTokens,
    gpu: (blocks - cpu - storage) * blockSizeTokens,
    cpu: cpu * blockSizeTokens,
    storage: storage * blockSizeTokens,
  };
}
