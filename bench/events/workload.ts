/**
 * What an engine publishes whose cache is always full: conversations that share beginnings and go on, some of them a batch, which
 * take one block after the other from the end of what was used longest ago.
 */
import { decodeBatch } from '../../src/events/decoding/decoder.ts';
import { engineEvents } from '../../src/events/decoding/kv-event.ts';
import type { EventEncoding } from '../../src/simulator/event-encoding.ts';
import { generator } from '../../test/support/candidates.ts';
import { type Chain, Conversations } from '../../test/support/conversations.ts';
import { SoakEngine } from '../../test/support/soak-engine.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';

export interface Batch {
  readonly payload: Uint8Array;
  readonly events: number;
  /** Stored and removed ones. */
  readonly blocks: number;
}

export interface Workload {
  /** Fills the cache. */
  readonly fill: readonly Batch[];
  /** Leaves the cache as it was, so that it can follow itself. */
  readonly cycle: readonly Batch[];
  /** What a cycle has in all. */
  readonly events: number;
  readonly blocks: number;
  /** What the cache holds after either, in blocks. */
  readonly cacheBlocks: number;
  /** How many blocks of each of these it holds then. */
  readonly chains: readonly { readonly chain: Chain; readonly depth: number }[];
}

/** Where a payload has its time: behind the bytes that begin an array and a float. */
export const TIME_OFFSET = 2;
export const CACHE_BLOCKS = 12_000;
/** They store several times what the cache holds: what it holds at their end does not depend on what it held before. */
const TURNS = 8_400;
/**
 * What an engine does in one step of its scheduler: some 50 blocks stored, and as many evicted for them, as when it prefills
 * 16,000 tokens a second in steps of 50 ms.
 */
export const REQUESTS_A_BATCH = 12;

export function createWorkload(eventEncoding: EventEncoding): Workload {
  const engine = new SoakEngine({
    ...{ name: 'bench', eventEncoding },
    ...{ cacheBlocks: CACHE_BLOCKS, blockSizeTokens: BLOCK_SIZE_TOKENS },
  });
  const conversations = new Conversations(generator(1), BLOCK_SIZE_TOKENS);
  const turns = Array.from({ length: TURNS }, () => conversations.turn());
  const fill = serve(engine, turns);
  const cycle = serve(engine, turns);
  const chains = turns.map(chain => ({ chain, depth: engine.depthOf(chain) }));
  return {
    fill,
    cycle,
    events: sum(cycle.map(({ events }) => events)),
    blocks: sum(cycle.map(({ blocks }) => blocks)),
    cacheBlocks: engine.held.size,
    chains,
  };
}

function serve(engine: SoakEngine, turns: readonly Chain[]): Batch[] {
  const batches: Batch[] = [];
  for (const [i, chain] of turns.entries()) {
    engine.serve(chain);
    if ((i + 1) % REQUESTS_A_BATCH === 0) batches.push(batchOf(engine.publish()!.payload));
  }
  return batches;
}

function batchOf(payload: Uint8Array): Batch {
  const batch = decodeBatch(payload);
  if (batch.kind === 'malformed') throw new Error(batch.why);
  const { events } = batch;
  const blocks = sum(events.map(event => (event.kind === 'cleared' ? 0 : event.hashes.length)));
  return { payload, events: sum(events.map(engineEvents)), blocks };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
