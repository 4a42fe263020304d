/** What a real vLLM was asked and what it published, compared: each request finds its own blocks. */
import { assert } from 'chai';
import { decodeBatch } from '../../../src/events/decoding/decoder.ts';
import { RankIngest } from '../../../src/events/ingest/rank-ingest.ts';
import { createPrefixLookup } from '../../../src/routing/prefix-lookup.ts';
import { HASHER } from '../../support/blocks.ts';
import { aCacheState, aPod } from '../../support/builders.ts';
import { hex, type ScenarioName, type Step, scenarios, VERSIONS } from '../../support/kv-events.ts';

const pod = aPod({ model: 'tiny', aliases: ['ad1'] });

/** A router's read and write side around one recorded engine. */
class Listener {
  readonly #cache = aCacheState();
  readonly #feed: RankIngest;
  readonly #lookup;

  constructor() {
    const cache = this.#cache;
    this.#feed = new RankIngest({ pod: pod.name, rank: 0, model: pod.model, cache, hasher: HASHER });
    this.#lookup = createPrefixLookup({
      cache,
      source: 'engines',
      hasher: HASHER,
      defaultBlockSizeTokens: { engine: 16, character: 1, tiktoken: 1 },
      maxBlocksPerPrompt: Number.POSITIVE_INFINITY,
    });
  }

  hear(payload: string): void {
    const batch = decodeBatch(hex(payload));
    if (batch.kind === 'malformed') assert.fail(batch.why);
    for (const event of batch.events) {
      assert.include(['stored', 'removed', 'cleared'], this.#feed.apply(event).kind);
    }
  }

  held({ promptTokens, lora, salt }: Extract<Step, { kind: 'request' }>) {
    const tokens = { space: 'engine', ids: Uint32Array.from(promptTokens) } as const;
    const found = this.#lookup(tokens, { model: lora ?? 'tiny', adapter: undefined, salt: salt ?? '' }, [
      pod,
    ]);
    return { matchedBlocks: found.matchedBlocks[0]!, totalBlocks: found.totalBlocks[0]! };
  }
}

function requestsOf(steps: readonly Step[]) {
  return steps.filter(step => step.kind === 'request');
}

for (const version of VERSIONS) {
  describe(`after what vLLM ${version} published`, () => {
    const recorded = scenarios(version);

    for (const name of ['reset', 'salt', 'lora', 'decode'] satisfies ScenarioName[]) {
      it(`every request finds all its full blocks: ${name}`, () => {
        const listener = new Listener();
        const requests = requestsOf(recorded[name].steps);
        for (const request of requests) assert.equal(listener.held(request).matchedBlocks, 0);
        for (const payload of recorded[name].payloads) listener.hear(payload);
        for (const request of requests) {
          const blocks = Math.floor(request.promptTokens.length / 16);
          assert.deepEqual(listener.held(request), { matchedBlocks: blocks, totalBlocks: blocks });
        }
      });
    }

    it('a request finds what the engine found: before it is served, in the order of service', () => {
      const listener = new Listener();
      const { steps, payloads } = recorded.eviction;
      const [last, ...others] = requestsOf(steps).reverse();
      for (const [i, request] of others.reverse().entries()) {
        assert.equal(listener.held(request).matchedBlocks, 0);
        assert.equal(request.cachedTokens, 0);
        listener.hear(payloads[i]!);
      }
      assert.deepEqual([listener.held(last!).matchedBlocks, last!.cachedTokens], [10, 160]);
    });

    it('a salt or an adapter finds nothing of another', () => {
      for (const [name, known] of [
        ['salt', 2],
        ['lora', 2],
      ] as const) {
        const { steps, payloads } = recorded[name];
        const listener = new Listener();
        for (const payload of payloads.slice(0, known)) listener.hear(payload);
        const cold = requestsOf(steps).filter(({ cachedTokens }) => cachedTokens === 0);
        const held = cold.map(request => listener.held(request).matchedBlocks > 0);
        assert.deepEqual(held, [true, true, false], name);
      }
    });
  });
}
