/**
 * Memory of many pods with caches of their own and a shared tenth. Prints one line of JSON.
 *
 *   node --expose-gc bench/index/pods.ts --pods 1000 --blocks 2500
 */

import { parseArgs } from 'node:util';
import type { BlockLanes, EngineLanes, HolderId } from '../../src/domain.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { settledBytes } from '../support/memory.ts';
import { splitmix64, U64 } from '../support/splitmix.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';
import type { BenchIndex } from './bench-index.ts';
import { createIndex } from './create-index.ts';

const { values } = parseArgs({
  options: {
    pods: { type: 'string', default: '1000' },
    blocks: { type: 'string', default: '2500' },
    index: { type: 'string', default: 'runs' },
  },
});
const pods = Number(values.pods);
const blocks = Number(values.blocks);
/** Of one prompt. */
const PROMPT_BLOCKS = 250;

const state = new U64();
const lanes = new Uint32Array(2 * Math.max(PROMPT_BLOCKS, blocks));
// The code is compiled before anything counts.
fill(createIndex(values.index), Math.ceil(pods / 50));
const before = await settledBytes();
const index = createIndex(values.index);
fill(index, pods);
console.log(
  JSON.stringify({
    pods,
    blocksPerPod: blocks,
    ...index.size(),
    residentBytes: (await settledBytes()) - before,
  }),
);

function fill(into: BenchIndex, count: number): void {
  const sharedBlocks = Math.floor(blocks / 10);
  const shared = fresh(sharedBlocks).slice();
  for (let pod = 0; pod < count; pod++) {
    store(into, pod, shared);
    for (let left = blocks - sharedBlocks; left > 0; left -= PROMPT_BLOCKS) {
      store(into, pod, fresh(Math.min(left, PROMPT_BLOCKS)));
    }
  }
}

function store(into: BenchIndex, pod: number, lanes: Uint32Array): void {
  const chain = { blockSizeTokens: BLOCK_SIZE_TOKENS, length: lanes.length / 2, lanes: lanes as BlockLanes };
  into.store(pod as HolderId, chain, { after: START, engineHashes: lanes as EngineLanes, again: 'copy' });
}

/** Hashes that there were not before, valid until the next call: what is made for each prompt must not count. */
function fresh(length: number): Uint32Array {
  for (let i = 0; i < 2 * length; i += 2) {
    splitmix64(state);
    lanes[i] = state.hi;
    lanes[i + 1] = state.lo;
  }
  return lanes.subarray(0, 2 * length);
}
