/**
 * In a process of its own: what routers see of a fleet, that is event publishers and replays of real libzmq, and a page that answers
 * who they are. Two generations, each on addresses of its own, so that one can follow the other. Ends when nobody listens to it.
 */
import { createServer } from 'node:http';
import { context } from 'zeromq';
import { EventPublisher } from '../../src/simulator/events.ts';
import type { CacheEvent } from '../../src/simulator/kv-cache.ts';
import { addressOf, BLOCK_SIZE_TOKENS, EVENTS_PORT, HTTP_PORT, REPLAY_PORT } from './addresses.ts';

const [count, batchesPerSecond] = process.argv.slice(2).map(Number) as [number, number];
/** Blocks of a batch; so many are evicted that were stored some batches before. */
const BLOCKS = 4;
const KEPT_BATCHES = 16;
/** How often a share of the engines publishes. */
const TICK_MS = 10;
const FIRST_BATCHES = 50;

process.on('disconnect', () => process.exit());
// PUB, ROUTER, and what libzmq needs beside them.
context.maxSockets = 5 * count;

class Engine {
  readonly #publisher: EventPublisher;
  readonly #stored: bigint[][] = [];
  readonly #seed: bigint;
  #next = 0n;

  constructor(publisher: EventPublisher, seed: number) {
    this.#publisher = publisher;
    // No hash is 0, which stands for none.
    this.#seed = BigInt(seed + 1) << 40n;
  }

  publish(): void {
    const hashes = Array.from({ length: BLOCKS }, () => this.#seed + this.#next++);
    const tokenIds = hashes.flatMap(hash =>
      Array.from({ length: BLOCK_SIZE_TOKENS }, (_, i) => Number((hash * 31n + BigInt(i)) % 150_000n)),
    );
    const stored: CacheEvent = {
      kind: 'stored',
      hashes,
      parent: null,
      tokenIds,
      lora: undefined,
      extraKeys: hashes.map(() => null),
    };
    this.#stored.push(hashes);
    const gone = this.#stored.length > KEPT_BATCHES ? this.#stored.shift()!.toReversed() : [];
    const removed = gone.map((hash): CacheEvent => ({ kind: 'removed', hash }));
    this.#publisher.publish(Date.now() / 1_000, [...removed, stored]);
  }
}

const engines: Engine[] = [];
for (const generation of [0, 1]) {
  for (let i = 0; i < count; i++) {
    const publisher = await EventPublisher.start({
      ...{ host: addressOf(generation, i), port: EVENTS_PORT, replayPort: REPLAY_PORT, topic: '' },
      bufferSteps: 1_000,
      shape: { encoding: 'map', blockSizeTokens: BLOCK_SIZE_TOKENS, loraId: () => null },
    });
    const engine = new Engine(publisher, engines.length);
    for (let batch = 0; batch < FIRST_BATCHES; batch++) engine.publish();
    engines.push(engine);
  }
}
const http = createServer((_, response) => response.writeHead(404).end());
http.listen(HTTP_PORT, '0.0.0.0', () => process.send!({ port: HTTP_PORT }));

let position = 0;
let due = performance.now();
setInterval(() => {
  const now = performance.now();
  // Of both generations, each at the pace.
  const engineMs = 1_000 / (batchesPerSecond * engines.length);
  for (; due < now; due += engineMs) engines[position++ % engines.length]!.publish();
}, TICK_MS);
