/**
 * One run of the trace workload on one index, in a process of its own: for each request, find who holds how much of it, then
 * store what its holder lacks. Prints one line of JSON.
 *
 *   node bench/index/trace.ts --holders 1000 [--trace FILE] [--index runs|radix-tree|map-of-sets] [--scores] [--memory] [--requests 2000] [--warm-up 100]
 */

import { parseArgs } from 'node:util';
import type { BlockChain, HolderId } from '../../src/domain.ts';
import { type BlockLanes, type EngineLanes, engineHash } from '../../src/domain.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { settledBytes } from '../support/memory.ts';
import { microseconds } from '../support/stats.ts';
import { chainAt, holderOf, loadTrace, type Trace } from '../support/trace.ts';
import type { BenchIndex } from './bench-index.ts';
import { createIndex } from './create-index.ts';

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    holders: { type: 'string', default: '1000' },
    index: { type: 'string', default: 'runs' },
    requests: { type: 'string' },
    scores: { type: 'boolean', default: false },
    memory: { type: 'boolean', default: false },
    'own-hashes': { type: 'boolean', default: false },
    'warm-up': { type: 'string', default: '1500' },
  },
});
const holders = Number(values.holders);
const trace = await loadTrace(values.trace);
const requests = Math.min(trace.requests, Number(values.requests ?? trace.requests));
const owners = Array.from({ length: requests }, (_, i) => holderOf(i, holders) as HolderId);
const FINDS_AT_ONCE = 16;
/** Where prompts are before they are looked up: just hashed, so in the cache. */
const prompts = Array.from({ length: FINDS_AT_ONCE }, () => new Uint32Array(2 * longest(trace)));
/** Copied one by one. */
const FEW = 32;
/** Each holder and its score, where they are wanted. */
const scoredHolders = new Uint32Array(holders);
const scores = new Uint32Array(holders);

async function run(count: number) {
  const before = values.memory ? await settledBytes() : 0;
  const index = createIndex(values.index);
  const filled = fill(index, count);
  const bytes = values.memory ? (await settledBytes()) - before : 0;
  const findOnlyMs = findAll(index, count);
  const finding = new Sums();
  for (let i = 0; i < count; i++) {
    const found = index.find(chainAt(trace, i));
    finding.add(found, found.depthOf(owners[i]!));
  }
  const { findTimes, storeMs, longestStoreMs, stores, entries, sums } = filled;
  const findMs = findTimes.reduce((sum, time) => sum + time, 0);
  return {
    index: values.index,
    trace: trace.name,
    holders,
    requests: count,
    entries,
    opsPerSecond: (1_000 * (count + stores)) / (findMs + storeMs),
    find: microseconds(findTimes),
    findOnlyPerSecond: (1_000 * count) / findOnlyMs,
    storedBlocksPerSecond: (1_000 * entries) / storeMs,
    longestStoreMs,
    ...(values.memory && { bytesPerEntry: bytes / entries }),
    sums,
    findOnlySums: finding.values,
  };
}

/** Finds, and stores what is missing. */
function fill(index: BenchIndex, count: number) {
  const findTimes = new Float64Array(count);
  let storeMs = 0;
  let longestStoreMs = 0;
  let stores = 0;
  let entries = 0;
  const storing = new Sums();
  for (let i = 0; i < count; i++) {
    const chain = prepared(chainAt(trace, i));
    const owner = owners[i]!;
    const started = performance.now();
    const found = index.find(chain);
    if (values.scores) writeScores(found);
    findTimes[i] = performance.now() - started;

    const held = found.depthOf(owner);
    storing.add(found, held);
    if (held === chain.length) continue;
    const missing = rest(chain, held);
    const engineHashes = values['own-hashes']
      ? ownHashes(missing, owner)
      : (missing.lanes as Uint32Array as EngineLanes);
    const parent =
      held === 0 ? undefined : lastOf(values['own-hashes'] ? ownHashes(chain, owner) : chain.lanes, held);
    const startedStoring = performance.now();
    const after = parent === undefined ? START : index.locate(owner, parent)!;
    index.store(owner, missing, { after, engineHashes, again: 'copy' });
    const took = performance.now() - startedStoring;
    storeMs += took;
    longestStoreMs = Math.max(longestStoreMs, took);
    stores++;
    entries += missing.length;
  }
  return { findTimes, storeMs, longestStoreMs, stores, entries, sums: storing.values };
}

/** All finds once more, some at a time: a clock read for each would be a tenth of it. */
function findAll(index: BenchIndex, count: number): number {
  let milliseconds = 0;
  let extents = 0;
  for (let from = 0; from < count; from += FINDS_AT_ONCE) {
    const chains = Array.from({ length: Math.min(FINDS_AT_ONCE, count - from) }, (_, i) =>
      prepared(chainAt(trace, from + i), i),
    );
    const started = performance.now();
    for (const chain of chains) {
      const found = index.find(chain);
      if (values.scores) writeScores(found);
      extents += found.extents;
    }
    milliseconds += performance.now() - started;
  }
  if (extents === 0) throw new Error('nothing was found');
  return milliseconds;
}

function writeScores(found: ReturnType<BenchIndex['find']>): void {
  let written = 0;
  found.forEachLayer((depth, ids, from, to) => {
    if (to - from < FEW) {
      for (let i = from; i < to; i++) {
        scoredHolders[written] = ids[i]!;
        scores[written++] = depth;
      }
      return;
    }
    scoredHolders.set(ids.subarray(from, to), written);
    scores.fill(depth, written, written + to - from);
    written += to - from;
  });
}

/** What any exact index gives: best match, all matches, matching holders, and the owner's own match, summed up. */
class Sums {
  readonly values: [best: number, all: number, holders: number, own: number] = [0, 0, 0, 0];

  add(found: ReturnType<BenchIndex['find']>, own: number): void {
    let best = 0;
    found.forEachLayer((depth, _, from, to) => {
      best = Math.max(best, depth);
      this.values[1] += depth * (to - from);
      this.values[2] += to - from;
    });
    this.values[0] += best;
    this.values[3] += own;
  }
}

function prepared(chain: BlockChain, place = 0): BlockChain {
  prompts[place]!.set(chain.lanes);
  return { ...chain, lanes: prompts[place] as BlockLanes };
}

function rest({ blockSizeTokens, length, lanes }: BlockChain, from: number): BlockChain {
  return {
    blockSizeTokens,
    length: length - from,
    lanes: lanes.subarray(2 * from, 2 * length) as BlockLanes,
  };
}

function lastOf(lanes: Uint32Array, length: number) {
  return engineHash(lanes[2 * length - 2]!, lanes[2 * length - 1]!);
}

/** As an engine with a seed of its own would call these blocks. */
function ownHashes({ lanes, length }: BlockChain, owner: HolderId): EngineLanes {
  return lanes.slice(0, 2 * length).map(lane => Math.imul(lane ^ owner, 0x9e3779b1) ^ owner) as EngineLanes;
}

function longest({ offsets, requests: all }: Trace): number {
  let most = 0;
  for (let i = 0; i < all; i++) most = Math.max(most, offsets[i + 1]! - offsets[i]!);
  return most;
}

// The code is compiled before anything counts. Where memory is what counts, hardly anything may be left of that.
await run(Math.min(requests, Number(values['warm-up'])));
console.log(JSON.stringify(await run(requests)));
