/** 100,000 tokens into chained blocks, by our hash and by SHA-256, which engines use. Prints one line of JSON. */

import { createHash } from 'node:crypto';
import { BlockHasher } from '../../src/prompt/blocks.ts';
import { microseconds } from '../support/stats.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';

const TOKENS = 100_000;
const SEED = 12_345;
const HASHER = new BlockHasher(SEED);
const WARM_UPS = 300;
const ROUNDS = 500;
const SHA256_ROUNDS = 20;

/** As of a vocabulary of 262,144 tokens. */
const ids = Uint32Array.from({ length: TOKENS }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 14);
const root = HASHER.root(
  { space: 'engine', model: 'demo', salt: '' },
  { sizeTokens: BLOCK_SIZE_TOKENS, lookaheadTokens: 0 },
);
const own = () => HASHER.chain(root, ids, BLOCK_SIZE_TOKENS);
timesOf(own, WARM_UPS);
const sha256 = timesOf(chainBySha256, SHA256_ROUNDS);
console.log(
  JSON.stringify({ tokens: TOKENS, ...microseconds(timesOf(own, ROUNDS)), sha256: microseconds(sha256) }),
);

function chainBySha256(): void {
  const bytes = 4 * BLOCK_SIZE_TOKENS;
  let parent = Buffer.alloc(32);
  for (let at = 0; at + bytes <= ids.byteLength; at += bytes) {
    const block = new Uint8Array(ids.buffer, at, bytes);
    parent = createHash('sha256').update(parent).update(block).digest();
  }
}

function timesOf(work: () => void, rounds: number): Float64Array {
  const times = new Float64Array(rounds);
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    work();
    times[i] = performance.now() - started;
  }
  return times;
}
