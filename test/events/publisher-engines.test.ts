/** The feed and simulated engines, which replay as vLLM does: what is believed is what they hold. */
import { assert } from 'chai';
import type { CacheState } from '../../src/cache/cache-state.ts';
import { EventFeed, type FeedFact } from '../../src/events/event-feed.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { type EngineOptions, type SimulatedEngine, startEngine } from '../../src/simulator/engine.ts';
import { chainOf, HASHER, holdsBlock } from '../support/blocks.ts';
import { aCacheState, aPod } from '../support/builders.ts';
import { NO_COST } from '../support/fleet.ts';
import { Inbox } from '../support/inbox.ts';
import { engineHash } from '../support/kv-events.ts';

const BLOCK = 4;

describe('following a simulated engine', () => {
  let engine: SimulatedEngine;
  let cache: CacheState;
  let facts: Inbox<FeedFact>;
  let feed: EventFeed;
  let prompts = 0;

  beforeEach(() => {
    cache = aCacheState();
    facts = new Inbox();
    feed = new EventFeed({ cache, hasher: HASHER, topic: '', onFact: facts.push });
  });

  afterEach(async () => {
    await feed.stop();
    await engine.stop();
  });

  function start(given: Partial<EngineOptions> = {}): Promise<SimulatedEngine> {
    return startEngine({
      ...{ name: 'a', model: 'demo', blockSizeTokens: BLOCK, cacheBlocks: 40, cost: NO_COST },
      ...given,
    });
  }

  function follow(): void {
    const { eventsPort: port, replayPort } = engine;
    feed.follow(aPod({ name: 'a', kvEvents: { kind: 'zmq', port: port!, replayPort, ranks: 1 } }));
  }

  /** Requests of three full blocks each, none like another. */
  async function serve(requests: number): Promise<void> {
    for (let i = 0; i < requests; i++) {
      const first = 100 * ++prompts;
      const prompt = Array.from({ length: 3 * BLOCK + 1 }, (_, token) => first + token);
      const response = await fetch(`${engine.url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'demo', prompt, max_tokens: 1 }),
      });
      assert.equal(response.status, 200, await response.text());
    }
  }

  const until = (state: string) => facts.until(fact => fact.kind === 'state' && fact.state === state);

  /** The engine's blocks that are believed, and how many are believed in all. */
  function believed(): [right: number, all: number] {
    const holder = cache.holders.find('a', { kind: 'gpu', rank: 0 })!;
    const right = engine.cache.residentBlocks().filter(block => {
      const chain = chainOf(Uint32Array.from(block.prefix()), BLOCK);
      return holdsBlock(cache.index, holder, engineHash(block.hash), blockAt(chain, block.index));
    });
    return [right.length, cache.index.size().entries];
  }

  for (const eventEncoding of ['map', 'array'] as const) {
    it(`learns what it held before, from event ${eventEncoding}s`, async () => {
      engine = await start({ eventEncoding });
      await serve(30);
      follow();
      await until('live');
      const held = engine.cache.residentBlocks().length;
      assert.isAtLeast(held, 30);
      assert.deepEqual(believed(), [held, held]);
    });
  }

  it('learns a part of what it held where the rest cannot be replayed', async () => {
    engine = await start({ replayBufferSteps: 4 });
    await serve(30);
    follow();
    await until('cold');
    const [right, all] = believed();
    assert.equal(right, all, 'nothing that it does not hold');
    assert.isAbove(all, 0);
    assert.isBelow(all, engine.cache.residentBlocks().length);
  });

  it('learns it anew after a restart', async () => {
    engine = await start();
    await serve(5);
    follow();
    await until('live');
    const { httpPort, eventsPort, replayPort } = engine;
    await engine.kill();
    await until('connecting');
    engine = await start({ httpPort, eventsPort: eventsPort!, replayPort: replayPort! });
    await serve(3);
    await until('live');
    await serve(1);
    const { sequence } = await lastBatch();
    assert.isAbove(sequence, 2);
    const held = engine.cache.residentBlocks().length;
    assert.deepEqual(believed(), [held, held]);
    assert.isTrue(facts.all.some(fact => fact.kind === 'forgotten'));
  });

  /** The facts up to the last batch of the engine. */
  async function lastBatch(): Promise<FeedFact & { readonly kind: 'batch' }> {
    for (;;) {
      const fact = await facts.until(({ kind }) => kind === 'batch');
      if (fact.kind === 'batch' && fact.blocks === engine.cache.residentBlocks().length) return fact;
    }
  }
});
