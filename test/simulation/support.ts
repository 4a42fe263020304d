import { BlockHasher } from '../../src/prompt/blocks.ts';
import type { BlockNaming } from '../../src/simulation/engine/sequence.ts';
import { Sequence } from '../../src/simulation/engine/sequence.ts';
import type { FleetOptions } from '../../src/simulation/fleet.ts';
import { ONE_ZONE } from '../../src/simulation/zones.ts';

export const BLOCK = 16;

const hasher = new BlockHasher(1);

export const NAMING: BlockNaming = {
  hasher,
  root: hasher.root({ space: 'engine', model: 'model', salt: '' }, { sizeTokens: BLOCK, lookaheadTokens: 0 }),
  blockSizeTokens: BLOCK,
};

/** A fleet whose steps take 1 ms, 1 ms a thousand prompt tokens and 0.1 ms a decoding sequence. */
export const FLEET: FleetOptions = {
  pods: 3,
  capacityTokens: [8_192],
  speeds: [1],
  cost: { stepMs: 1, prefillTokenMs: 0.001, decodeSequenceMs: 0.1 },
  blockSizeTokens: BLOCK,
  maxBatchedTokens: 2_048,
  maxSequences: 64,
  eventDelayMs: 5,
  metricsIntervalMs: 100,
  expectedBlocksTtlMs: 5_000,
  zones: ONE_ZONE,
};

let numbers = 0;

/** A request whose prompt is made of these ids. */
export function aSequence(hashIds: readonly number[], inputTokens: number, outputTokens = 1): Sequence {
  return new Sequence(numbers++, { atMs: 0, inputTokens, outputTokens, tokensPerId: 512, hashIds });
}
