/** The whole write path against engines that know what they hold: after a long load, index and caches are the same. */

import { setImmediate } from 'node:timers/promises';
import { assert } from 'chai';
import type { BlockChain } from '../../../src/domain.ts';
import { EventFeed, type FeedFact } from '../../../src/events/event-feed.ts';
import { blockAt } from '../../../src/prompt/blocks.ts';
import { type CacheContext, type SimulatedEngine, startEngine } from '../../../src/simulator/engine.ts';
import { chainOf, HASHER, holdsBlock } from '../../support/blocks.ts';
import { aCacheState, aPod } from '../../support/builders.ts';
import { generator } from '../../support/candidates.ts';
import { NO_COST } from '../../support/fleet.ts';
import { Inbox } from '../../support/inbox.ts';
import { engineHash } from '../../support/kv-events.ts';
import { timesOf } from '../../support/told.ts';

const BLOCK = 16;
const MODEL = 'demo';
const ADAPTER = 'sql';
const REQUESTS = 2_000;
const ROUNDS = 4;
const AT_ONCE = 12;
const PROBES = 200;

/** Two of the present form of events, one of the past. */
const ENGINES = [
  { name: 'engine-0', eventEncoding: 'map', cacheBlocks: 150 },
  { name: 'engine-1', eventEncoding: 'array', cacheBlocks: 250 },
  { name: 'engine-2', eventEncoding: 'map', cacheBlocks: 400 },
] as const;

interface Prompt {
  readonly tokenIds: readonly number[];
  readonly context: CacheContext;
}

const random = generator(2026);
const below = (bound: number) => Math.floor(random() * bound);
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!;
const someTokens = (count: number) => Array.from({ length: count }, () => below(100_000));

/** From less than a block to what fills half of the smallest cache; some are whole blocks exactly. */
const PREFIXES = [10, 32, 48, 64, 100, 160, 200, 320, 333, 480, 640, 800].map(someTokens);

function aPrompt(): Prompt {
  const prefix = oneOf(PREFIXES);
  const shared = random() < 0.3 ? prefix.slice(0, 1 + below(prefix.length)) : prefix;
  const noise = random() < 0.3 ? 0 : 1 + below(80);
  return {
    tokenIds: [...shared, ...someTokens(noise)],
    context: {
      ...(random() < 0.15 && { lora: ADAPTER }),
      ...(random() < 0.25 && { salt: oneOf(['tenant-a', 'tenant-b', ADAPTER]) }),
    },
  };
}

/** As the read path would cut it. */
function chainOfPrompt({ tokenIds, context }: Prompt): BlockChain {
  return chainOf(tokenIds, BLOCK, { model: context.lora ?? MODEL, salt: context.salt ?? '' });
}

async function complete(
  engine: SimulatedEngine,
  { tokenIds, context }: Prompt,
  maxTokens: number,
): Promise<void> {
  const response = await fetch(`${engine.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: context.lora ?? MODEL,
      prompt: tokenIds,
      max_tokens: maxTokens,
      ignore_eos: true,
      ...(context.salt !== undefined && { cache_salt: context.salt }),
    }),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
}

describe('the index, after a long load on three engines', function () {
  this.timeout(40_000);

  let engines: SimulatedEngine[];
  let feed: EventFeed;
  const cache = aCacheState();
  const facts = new Inbox<FeedFact>();

  const holderOf = (engine: SimulatedEngine) => cache.holders.find(engine.name, { kind: 'gpu', rank: 0 })!;
  const depthAt = (engine: SimulatedEngine, chain: BlockChain) =>
    cache.index.find(chain).depthOf(holderOf(engine));
  const countOf = (kind: string) =>
    facts.all
      .filter(fact => fact.kind === kind || (fact.kind === 'applied' && fact.outcome === kind))
      .reduce((sum, fact) => sum + timesOf(fact), 0);

  /** A subscription shows only by what comes through. */
  async function join(engine: SimulatedEngine): Promise<void> {
    while (!facts.all.some(({ pod, kind }) => pod === engine.name && kind === 'batch')) {
      engine.resetCache();
      engine.publishPending();
      await setImmediate();
    }
  }

  /** The events of the last request are the last of all: when they are applied, everything is. */
  async function settle(engine: SimulatedEngine): Promise<void> {
    const last: Prompt = { tokenIds: someTokens(BLOCK), context: {} };
    await complete(engine, last, 1);
    while (depthAt(engine, chainOfPrompt(last)) === 0) await facts.next();
  }

  before(async () => {
    engines = await Promise.all(
      ENGINES.map(options =>
        startEngine({ ...options, model: MODEL, adapters: [ADAPTER], blockSizeTokens: BLOCK, cost: NO_COST }),
      ),
    );
    feed = new EventFeed({ cache, hasher: HASHER, topic: '', onFact: facts.push });
    for (const { name, eventsPort } of engines) {
      feed.follow(
        aPod({ name, kvEvents: { kind: 'zmq', port: eventsPort!, replayPort: undefined, ranks: 1 } }),
      );
    }
    for (const engine of engines) await join(engine);

    let left = REQUESTS;
    for (let round = 1; round <= ROUNDS; round++) {
      const rest = REQUESTS - (round * REQUESTS) / ROUNDS;
      const work = async () => {
        while (left-- > rest) await complete(oneOf(engines), aPrompt(), 1 + below(20));
        left++;
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      // Nothing runs now, so the cache can be reset.
      if (round < ROUNDS) assert.isTrue(oneOf(engines).resetCache());
    }
    assert.equal(
      engines.reduce((sum, { requests }) => sum + requests.length, 0),
      REQUESTS,
    );
    for (const engine of engines) await settle(engine);
  });

  after(async () => {
    await feed.stop();
    for (const engine of engines) await engine.stop();
  });

  it('has seen everything that may happen to a cache, and lost nothing', () => {
    assert.isAbove(countOf('stored'), REQUESTS / 2);
    assert.isAbove(countOf('removed'), REQUESTS);
    assert.isAtLeast(countOf('cleared'), ENGINES.length + ROUNDS - 1);
    const copies = facts.all.filter(
      fact => fact.kind === 'applied' && fact.outcome === 'removed' && fact.blocks < fact.events,
    );
    assert.isNotEmpty(copies, 'of some blocks there were two copies');
    for (const kind of [
      'forgotten',
      'malformed_message',
      'skipped_event',
      'orphaned',
      'inconsistent',
      'off_gpu',
    ]) {
      assert.equal(countOf(kind), 0, kind);
    }
    for (const { cache: own } of engines) assert.isAbove(own.residentBlocks().length, own.capacityBlocks / 2);
  });

  it('equals what the engines hold, block for block', () => {
    let held = 0;
    for (const engine of engines) {
      for (const block of engine.cache.residentBlocks()) {
        const { lora, salt } = block;
        const chain = chainOfPrompt({ tokenIds: block.prefix(), context: { lora, salt } });
        assert.equal(chain.length, block.index + 1);
        assert.isTrue(
          holdsBlock(cache.index, holderOf(engine), engineHash(block.hash), blockAt(chain, block.index)),
          `${engine.name} holds ${block.hash}`,
        );
        held++;
      }
      const last = facts.all.findLast(fact => fact.kind === 'batch' && fact.pod === engine.name);
      assert.propertyVal(last, 'blocks', engine.cache.residentBlocks().length);
    }
    // Every block that is held is in the index; as many as there are, there is no other one.
    assert.equal(cache.index.size().entries, held);
    cache.index.check();
  });

  it('finds of any prompt what each engine itself would find', () => {
    const depths = new Set<number>();
    for (let probe = 0; probe < PROBES; probe++) {
      const prompt = aPrompt();
      for (const engine of engines) {
        const depth = depthAt(engine, chainOfPrompt(prompt));
        assert.equal(depth, engine.cache.heldPrefixBlocks(prompt.tokenIds, prompt.context));
        depths.add(depth);
      }
    }
    assert.isAbove(depths.size, 10, 'the probes found prefixes of many lengths');
  });

  it('is empty when the engines are', async () => {
    facts.skip();
    for (const engine of engines) {
      assert.isTrue(engine.resetCache());
      engine.publishPending();
      await facts.until(fact => fact.pod === engine.name && fact.kind === 'batch' && fact.blocks === 0);
    }
    assert.deepEqual(cache.index.size(), { blocks: 0, entries: 0 });
    cache.index.check();
  });
});
