/**
 * The index workload: requests as chains of block hashes, in order of arrival, from a published request trace (Mooncake's
 * `conversation_trace.jsonl`, FAST '25; its `hash_ids` name blocks of 512 tokens, of which each becomes 32 blocks of 16).
 */

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { BlockChain, BlockLanes } from '../../src/domain.ts';
import { splitmix64, U64 } from './splitmix.ts';

export interface Trace {
  readonly name: string;
  /** All requests' blocks one behind the other, two lanes each. */
  readonly lanes: Uint32Array;
  /** Request i has the blocks from `offsets[i]` to before `offsets[i + 1]`. */
  readonly offsets: Uint32Array;
  readonly requests: number;
}

const BLOCKS_PER_ID = 32;
export const BLOCK_SIZE_TOKENS = 16;

/** Reads a trace; without a path, makes one of the same shape. */
export async function loadTrace(path: string | undefined): Promise<Trace> {
  const requests = path === undefined ? syntheticRequests() : await readRequests(path);
  const blocks = requests.reduce((sum, ids) => sum + BLOCKS_PER_ID * ids.length, 0);
  const lanes = new Uint32Array(2 * blocks);
  const offsets = new Uint32Array(requests.length + 1);
  const previous = new U64();
  const block = new U64();
  let at = 0;
  requests.forEach((ids, i) => {
    previous.set(0, 0);
    for (const id of ids) {
      for (let j = 0; j < BLOCKS_PER_ID; j++) {
        block.set(0, id * BLOCKS_PER_ID + j);
        splitmix64(block);
        previous.xor(block);
        splitmix64(previous);
        lanes[2 * at] = previous.hi;
        lanes[2 * at + 1] = previous.lo;
        at++;
      }
    }
    offsets[i + 1] = at;
  });
  return { name: path === undefined ? 'synthetic' : 'trace', lanes, offsets, requests: requests.length };
}

/** Which of `holders` a request belongs to. */
export function holderOf(request: number, holders: number): number {
  const hash = new U64();
  hash.set(0, request);
  splitmix64(hash);
  // (hi * 2^32 + lo) mod holders, within what a double holds exactly.
  return ((((hash.hi % holders) * (2 ** 32 % holders)) % holders) + (hash.lo % holders)) % holders;
}

export function chainAt({ lanes, offsets }: Trace, request: number): BlockChain {
  const [from, to] = [offsets[request]!, offsets[request + 1]!];
  return {
    blockSizeTokens: BLOCK_SIZE_TOKENS,
    length: to - from,
    lanes: lanes.subarray(2 * from, 2 * to) as BlockLanes,
  };
}

async function readRequests(path: string): Promise<number[][]> {
  const requests: number[][] = [];
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line !== '') requests.push((JSON.parse(line) as { hash_ids: number[] }).hash_ids);
  }
  return requests;
}

/** Conversations that share one first block and come back with all that was said before, like the published trace. */
function syntheticRequests(): number[][] {
  const state = new U64();
  state.set(0, 42);
  const random = () => {
    splitmix64(state);
    return state.lo / 2 ** 32;
  };
  const open: number[][] = [];
  let fresh = 1;
  return Array.from({ length: 12_000 }, () => {
    const goesOn = open.length > 0 && random() < 0.4;
    const before = goesOn ? open[Math.floor(random() * open.length)]! : [0];
    const more = Math.ceil(-18 * Math.log(1 - random()));
    const ids = [...before, ...Array.from({ length: more }, () => fresh++)].slice(0, 250);
    open.push(ids);
    if (open.length > 600) open.shift();
    return ids;
  });
}
