/**
 * One chain, of which each holder holds a different length, looked up as a whole again and again. Prints one line of JSON.
 *
 *   node bench/index/micro.ts --blocks 3750 --holders 96
 */

import { parseArgs } from 'node:util';
import type { BlockLanes, EngineLanes, HolderId } from '../../src/domain.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { splitmix64, U64 } from '../support/splitmix.ts';
import { microseconds } from '../support/stats.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';
import { createIndex } from './create-index.ts';

const { values } = parseArgs({
  options: {
    blocks: { type: 'string', default: '3750' },
    holders: { type: 'string', default: '96' },
    index: { type: 'string', default: 'runs' },
  },
});
const blocks = Number(values.blocks);
const holders = Number(values.holders);
const LOOKUPS = 5_000;

const lanes = new Uint32Array(2 * blocks) as BlockLanes;
const previous = new U64();
for (let j = 0; j < blocks; j++) {
  previous.xor(hashOf(j));
  splitmix64(previous);
  lanes[2 * j] = previous.hi;
  lanes[2 * j + 1] = previous.lo;
}

const index = createIndex(values.index);
for (let k = 0; k < holders; k++) {
  const { hi, lo } = hashOf(1_000_000 + k);
  const length = 1 + (((((hi % blocks) * (2 ** 32 % blocks)) % blocks) + (lo % blocks)) % blocks);
  const chain = {
    blockSizeTokens: BLOCK_SIZE_TOKENS,
    length,
    lanes: lanes.subarray(0, 2 * length) as BlockLanes,
  };
  index.store(k as HolderId, chain, {
    after: START,
    engineHashes: chain.lanes as Uint32Array as EngineLanes,
    again: 'copy',
  });
}

const chain = { blockSizeTokens: BLOCK_SIZE_TOKENS, length: blocks, lanes };
const scored = { holders: new Uint32Array(holders), depths: new Uint32Array(holders), count: 0 };
for (let warmUp = 0; warmUp < 4; warmUp++) look();
const findTimes = look();
const scoreTimes = look(writeScores);
console.log(
  JSON.stringify({
    index: values.index,
    blocks,
    holders,
    find: microseconds(findTimes),
    scores: microseconds(scoreTimes),
    sum: scored.depths.reduce((sum, depth) => sum + depth, 0),
  }),
);

function look(read?: (found: ReturnType<typeof index.find>) => void): Float64Array {
  const times = new Float64Array(LOOKUPS);
  for (let i = 0; i < LOOKUPS; i++) {
    const started = performance.now();
    const found = index.find(chain);
    read?.(found);
    times[i] = performance.now() - started;
  }
  return times;
}

function writeScores(found: ReturnType<typeof index.find>): void {
  scored.count = 0;
  found.forEachLayer((depth, ids, from, to) => {
    for (let i = from; i < to; i++) {
      scored.holders[scored.count] = ids[i]!;
      scored.depths[scored.count++] = depth;
    }
  });
}

function hashOf(value: number): U64 {
  const hash = new U64();
  hash.set(0, value);
  splitmix64(hash);
  return hash;
}
