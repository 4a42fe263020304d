import { assert } from 'chai';
import { type EventEncoding, encodeBatch } from '../../src/simulator/event-encoding.ts';
import { type CacheEvent, KvCache } from '../../src/simulator/kv-cache.ts';
import { cacheEventOf, decodeBatch, fixture } from './helpers.ts';

/** What one vLLM server was asked and published. Output tokens that no event shows are 0. */
interface Scenario {
  readonly blocks: number;
  readonly steps: readonly (
    | { readonly kind: 'reset' }
    | {
        readonly kind: 'request';
        readonly promptTokens: number[];
        readonly outputTokens: number[];
        readonly lora: string | null;
        readonly salt: string | null;
        readonly cachedTokens: number;
      }
  )[];
  /** Hex of the published payloads. */
  readonly payloads: string[];
}

const VERSIONS: readonly { version: string; encoding: EventEncoding }[] = [
  { version: '0.32.0', encoding: 'map' },
  { version: '0.23.0', encoding: 'array' },
];

/** Hashes become the order of their first appearance: the engine's seed is its own. */
function withoutSeed(events: readonly CacheEvent[]): unknown[] {
  const order = new Map<bigint, number>();
  const name = (hash: bigint) => {
    if (!order.has(hash)) order.set(hash, order.size);
    return order.get(hash);
  };
  return events.map(event => {
    if (event.kind === 'cleared') return event;
    if (event.kind === 'removed') return { ...event, hash: name(event.hash) };
    const parent = event.parent === null ? null : name(event.parent);
    return { ...event, parent, hashes: event.hashes.map(name) };
  });
}

function replayed(scenario: Scenario, encoding: EventEncoding): CacheEvent[] {
  const cache = new KvCache({
    blockSizeTokens: 16,
    blocks: scenario.blocks,
    hashSeed: '',
    freedPartialBlock: encoding === 'map' ? 'taken-first' : 'taken-in-turn',
  });
  for (const step of scenario.steps) {
    if (step.kind === 'reset') {
      assert.isTrue(cache.reset());
      continue;
    }
    const context = { lora: step.lora ?? undefined, salt: step.salt ?? undefined };
    const sequence = cache.allocate(step.promptTokens, context)!;
    assert.equal(sequence.cachedTokens, step.cachedTokens);
    cache.store(sequence, step.promptTokens.length);
    // The last token is never computed.
    for (const token of step.outputTokens.slice(0, -1)) {
      sequence.tokenIds.push(token);
      assert.isTrue(cache.reserve(sequence, sequence.tokenIds.length));
      cache.store(sequence, sequence.tokenIds.length);
    }
    cache.free(sequence);
  }
  return cache.drainEvents();
}

for (const { version, encoding } of VERSIONS) {
  describe(`compared with what vLLM ${version} published`, () => {
    const scenarios = fixture<Record<string, Scenario>>(`vllm-${version}-cache.json`);
    const adapters = ['ad1'];
    const shape = {
      encoding,
      blockSizeTokens: 16,
      loraId: (lora: string | undefined) => (lora === undefined ? null : adapters.indexOf(lora) + 1),
    };

    for (const [name, scenario] of Object.entries(scenarios)) {
      it(`the cache stores, reuses and evicts the same blocks in the same order: ${name}`, () => {
        const recorded = scenario.payloads.flatMap(hex =>
          decodeBatch(Buffer.from(hex, 'hex'))[1].map(cacheEventOf),
        );
        assert.deepEqual(withoutSeed(replayed(scenario, encoding)), withoutSeed(recorded));
      });

      it(`the same events are the same bytes: ${name}`, () => {
        for (const hex of scenario.payloads) {
          const [timestamp, events, rank] = decodeBatch(Buffer.from(hex, 'hex'));
          assert.equal(rank, 0);
          const own = encodeBatch(shape, timestamp, events.map(cacheEventOf));
          assert.equal(own.toString('hex'), hex);
        }
      });
    }
  });
}
