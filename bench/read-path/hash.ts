/** 100,000 tokens into chained blocks. Prints one line of JSON. */
import { chainBlocks, rootOf } from '../../src/prompt/blocks.ts';
import { microseconds } from '../support/stats.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';

const TOKENS = 100_000;
const SEED = 12_345;
const WARM_UPS = 300;
const ROUNDS = 500;

/** As of a vocabulary of 262,144 tokens. */
const ids = Uint32Array.from({ length: TOKENS }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 14);
const root = rootOf({ space: 'engine', model: 'demo', salt: '' }, BLOCK_SIZE_TOKENS, SEED);
hashAll(WARM_UPS);
console.log(JSON.stringify({ tokens: TOKENS, ...microseconds(hashAll(ROUNDS)) }));

function hashAll(rounds: number): Float64Array {
  const times = new Float64Array(rounds);
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    chainBlocks(root, ids, BLOCK_SIZE_TOKENS, SEED);
    times[i] = performance.now() - started;
  }
  return times;
}
