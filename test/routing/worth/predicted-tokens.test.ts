import { assert } from 'chai';
import type { PrefixFound } from '../../../src/routing/prefix-lookup.ts';
import { predictedTokens } from '../../../src/routing/worth/predicted-tokens.ts';
import { NO_CHAIN } from '../../support/blocks.ts';

function found(
  matchedBlocks: number,
  offGpu?: { readonly cpu: number; readonly storage: number },
): PrefixFound {
  const second = (value: number) => Uint32Array.of(0, value);
  return {
    matchedBlocks: second(matchedBlocks),
    totalBlocks: second(10),
    matchedTokens: second(16 * matchedBlocks),
    adapter: undefined,
    blockSizeOf: () => 16,
    hashingMs: 0,
    offGpu: offGpu && { cpu: second(offGpu.cpu), storage: second(offGpu.storage) },
    rankOf: () => undefined,
    hasRank: () => false,
    chainsFor: () => [],
    finest: () => NO_CHAIN,
    remember: () => () => {},
  };
}

const rows: readonly [
  what: string,
  prompt: number,
  PrefixFound,
  gpu: number,
  cpu: number,
  storage: number,
][] = [
  ['nothing that is held', 170, found(0), 0, 0, 0],
  ['the blocks that are held', 170, found(3), 48, 0, 0],
  ['all of them, where tokens follow', 161, found(10), 160, 0, 0],
  ['without the last one, where the prompt ends with it', 160, found(10), 144, 0, 0],
  ['by where they are', 170, found(9, { cpu: 2, storage: 3 }), 64, 32, 48],
  [
    'without the last one, which was not on the GPU either',
    160,
    found(10, { cpu: 4, storage: 6 }),
    0,
    64,
    80,
  ],
  ['nothing of a single block that is all of the prompt', 16, found(1), 0, 0, 0],
];

describe('the tokens that a pod is expected not to compute', () => {
  for (const [what, prompt, held, gpu, cpu, storage] of rows) {
    it(`are ${what}`, () =>
      assert.deepEqual(predictedTokens({ space: 'engine', ids: new Uint32Array(prompt) }, held, 1), {
        space: 'engine',
        prompt,
        blockSizeTokens: 16,
        gpu,
        cpu,
        storage,
      }));
  }
});
