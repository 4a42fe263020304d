import { assert } from 'chai';
import fc from 'fast-check';
import type { BlockChain } from '../../src/domain.ts';
import { type Place, START } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { chainOf, engineHashAt, engineHashesOf, engineHashIn, holder, slice } from '../support/blocks.ts';
import { MapOfSets } from '../support/map-of-sets.ts';

const CAPACITY = 1 << 20;
/** Within so many stores the index need not tell what was stored before what. */
const STORES_AN_EPOCH = 1_024;
const CLOCK = 63;
/** The number of a prompt that is stored again and again. */
const OFTEN = 1_000_000;
/** Memory is taken in whole lines, pieces and buckets: one store may take so much beyond what was foreseen. */
const SLACK = 1_024;

describe('a full index', function () {
  this.timeout(20_000);

  let index: RunIndex;
  beforeEach(() => {
    index = new RunIndex({ capacityBytes: CAPACITY, maxHolders: 64, seed: 1 });
  });

  function store(chain: BlockChain, by = 0, after: Place = START): number {
    const engineHashes = engineHashesOf(chain);
    return index.store(holder(by), chain, { after, engineHashes, again: 'same' });
  }

  /** The prompt number `i`, which shares nothing with others. */
  const prompt = (i: number, blocks = 300, end: readonly number[] = []) =>
    chainOf([...Array.from({ length: blocks }, (_, position) => 1_000_000 * i + position), ...end]);

  const depth = (chain: BlockChain, by = 0) => index.find(chain).depthOf(holder(by));

  const hashOf = (chain: BlockChain, position: number) => engineHashAt(chain, position);

  const lastOf = (chain: BlockChain, by = 0) => index.locate(holder(by), hashOf(chain, chain.length - 1));

  /** So that what is stored from now on is younger than what was stored until now. */
  function aWhile(): void {
    for (let i = 0; i < STORES_AN_EPOCH; i++) store(chainOf([-1]), CLOCK);
  }

  it('takes what is new, whole, and never more memory than it may', () => {
    for (let i = 0; i < 500; i++) {
      const chain = prompt(i, 1 + ((i * 37) % 700));
      store(chain, i % 5);
      assert.isAtMost(index.bytes, CAPACITY, `after ${i}`);
      assert.equal(depth(chain, i % 5), chain.length);
    }
    index.check();
    assert.isAbove(index.bytes, 0.9 * CAPACITY);
  });

  it('says how many blocks are new, whatever had to go for them', () => {
    for (let i = 0; i < 300; i++) assert.equal(store(prompt(i)), 300, `prompt ${i}`);
  });

  it('evicts what was stored longest ago first, and a tail before its head', () => {
    for (let i = 0; i < 300; i++) store(prompt(i));
    const depths = Array.from({ length: 300 }, (_, i) => depth(prompt(i)));
    const oldest = depths.findIndex(each => each > 0);
    assert.isAbove(oldest, 50);
    assert.isTrue(depths.slice(oldest + 1).every(each => each === 300));
    // Nothing is held behind what is no longer held.
    assert.equal(
      index.held(holder(0)),
      depths.reduce((sum, each) => sum + each),
    );
  });

  it('keeps what is stored again', () => {
    const often = prompt(OFTEN);
    store(often);
    for (let i = 0; i < 600; i++) {
      store(prompt(i));
      if (i % 50 !== 0) continue;
      aWhile();
      store(often);
    }
    assert.equal(depth(often), 300);
    assert.equal(depth(prompt(0)), 0);
  });

  it('keeps what others go on from', () => {
    const shared = Array.from({ length: 200 }, (_, position) => -position);
    store(chainOf(shared));
    const after = () => lastOf(chainOf(shared))!;
    for (let i = 0; i < 600; i++) {
      const whole = chainOf([...shared, 7_000 + i, ...Array.from({ length: 99 }, (_, j) => j)]);
      store(slice(whole, 200), 0, after());
      if (i % 50 === 0) aWhile();
      assert.equal(depth(whole), 300);
    }
    assert.isAbove(index.evicted, 10_000);
    assert.equal(depth(chainOf(shared)), 200);
    index.check();
  });

  it('keeps a sequence that grows', () => {
    const whole = prompt(OFTEN, 600);
    store(slice(whole, 0, 10));
    for (let known = 10; known < 600; known += 10) {
      for (let i = 0; i < 10; i++) store(prompt(10 * known + i, 100));
      aWhile();
      store(slice(whole, known, known + 10), 0, lastOf(slice(whole, 0, known))!);
      assert.equal(depth(whole), known + 10);
    }
    assert.isAbove(index.evicted, 10_000);
    index.check();
  });

  const pieces: [what: string, cut: (often: BlockChain) => void][] = [
    [
      'though the block in between was gone, and lies elsewhere now',
      often => {
        index.remove(holder(1), hashOf(often, 150));
        store(slice(prompt(OFTEN, 150, [-1]), 150), 2, lastOf(slice(often, 0, 150), 1)!);
        store(often);
      },
    ],
    [
      'though the block in between was gone, and is there again',
      often => {
        index.remove(holder(1), hashOf(often, 149));
        store(often, 1);
      },
    ],
    ['though somebody holds the head alone', often => store(slice(often, 0, 150), 2)],
  ];
  for (const [what, cut] of pieces) {
    it(`keeps the head of what is stored again behind it, ${what}`, () => {
      const often = prompt(OFTEN);
      const head = slice(often, 0, 150);
      store(often, 1);
      cut(often);
      for (let i = 0; i < 300; i++) {
        store(prompt(i));
        if (i % 50 !== 0) continue;
        aWhile();
        store(slice(often, 150), 0, lastOf(head, 1)!);
      }
      assert.isAbove(index.evicted, 10_000);
      assert.equal(depth(head, 1), 150);
      index.check();
    });
  }

  it('keeps what was stored longest ago, where the blocks follow it that need its room', () => {
    const whole = prompt(OFTEN, 1_300);
    store(slice(whole, 0, 300));
    aWhile();
    for (let i = 0; index.bytes < CAPACITY - 16_000; i++) store(prompt(i));
    assert.equal(index.evicted, 0);
    assert.equal(store(slice(whole, 300), 0, lastOf(slice(whole, 0, 300))!), 1_000);
    assert.isAbove(index.evicted, 0);
    assert.equal(depth(whole), 1_300);
  });

  it('stores nothing behind what had to go for it', () => {
    const whole = prompt(1, 55_000);
    store(slice(whole, 0, 20_000));
    store(slice(whole, 20_000, 35_000), 0, lastOf(slice(whole, 0, 20_000))!);
    assert.equal(depth(whole), 35_000);
    assert.equal(store(slice(whole, 35_000), 0, lastOf(slice(whole, 0, 35_000))!), 0);
    assert.isBelow(depth(whole), 35_000);
    assert.equal(index.held(holder(0)), depth(whole));
    index.check();
  });

  it('evicts nothing more for what it has already', () => {
    for (let i = 0; i < 300; i++) store(prompt(i));
    store(prompt(299));
    const { evicted } = index;
    for (let i = 0; i < 100; i++) store(prompt(299));
    assert.equal(index.evicted, evicted);
  });

  it('takes a block from all its holders at once', () => {
    for (let by = 0; by < 40; by++) store(prompt(0), by);
    for (let i = 1; depth(prompt(0)) > 0; i++) {
      store(prompt(i));
      const depths = Array.from({ length: 40 }, (_, by) => depth(prompt(0), by));
      assert.equal(new Set(depths).size, 1);
    }
    assert.isAtLeast(index.evicted, 40 * 300);
    index.check();
  });

  it('counts what it evicts', () => {
    let stored = 0;
    for (let i = 0; i < 300; i++) {
      store(prompt(i), i % 3);
      if (i % 2 === 0) store(prompt(i), 4);
      stored += i % 2 === 0 ? 600 : 300;
      assert.equal(index.evicted, stored - index.size().entries);
    }
    assert.isAbove(index.evicted, 0);
  });

  it('keeps the head of a prompt that is too long for it, and goes on', () => {
    const long = prompt(1, 100_000);
    for (let i = 2; i < 50; i++) store(prompt(i));
    store(long);
    index.check();
    const kept = depth(long);
    assert.isAbove(kept, 10_000);
    for (let i = 50; i < 250; i++) {
      store(prompt(i));
      assert.isAtMost(index.bytes, CAPACITY);
      assert.equal(depth(prompt(i)), 300);
    }
    assert.isBelow(depth(long), kept);
    index.check();
  });

  it('keeps what a prompt follows that is too long for it', () => {
    const head = prompt(1, 10);
    store(head);
    for (let i = 2; i < 200; i++) store(prompt(i));
    store(head);
    const long = prompt(1, 100_000);
    const added = store(slice(long, 10), 0, lastOf(head)!);
    index.check();
    assert.isAbove(added, 10_000);
    assert.equal(depth(long), 10 + added);
    store(prompt(2));
    assert.equal(depth(prompt(2)), 300);
  });

  it('has as much room as before when it is empty again', () => {
    const rounds = [300, 1, 40, 7, 300, 1, 40, 7].map(blocks => {
      for (let i = 0; i < 30_000 / blocks; i++) store(prompt(i, blocks), i % 7);
      const { entries } = index.size();
      for (let by = 0; by < 7; by++) index.clear(holder(by));
      assert.deepEqual(index.size(), { blocks: 0, entries: 0 });
      index.check();
      return { entries, bytes: index.bytes };
    });
    assert.deepEqual(
      rounds.slice(4).map(({ entries }) => entries),
      rounds.slice(0, 4).map(({ entries }) => entries),
    );
    assert.isAtMost(rounds.at(-1)!.bytes, rounds[3]!.bytes);
  });

  it('has as much room as before, however much it gave up', () => {
    const held: number[] = [];
    for (let i = 0; i < 50_000; i++) {
      store(prompt(i, 3));
      assert.isAtMost(index.bytes, CAPACITY + SLACK, `after ${i}`);
      if (i % 10_000 === 9_999) held.push(index.held(holder(0)));
    }
    for (const each of held) assert.isAtLeast(each, 0.9 * held[0]!);
    index.check();
  });

  for (const [how, remove] of [
    ['by their hashes', (chain: BlockChain, i: number) => index.remove(holder(1), hashOf(chain, i))],
    [
      'by their places',
      (chain: BlockChain, i: number) => {
        const place = index.locate(holder(1), hashOf(chain, i));
        if (place !== undefined) index.removeAt(holder(1), place);
      },
    ],
  ] as const) {
    it(`stays within its memory when removals ${how} cut what others still hold into single blocks`, () => {
      const prompts = Array.from({ length: 100 }, (_, i) => prompt(i));
      for (const chain of prompts) for (const by of [0, 1]) store(chain, by);
      for (const chain of prompts) {
        for (let i = 0; i < chain.length; i += 2) remove(chain, i);
        assert.isAtMost(index.bytes, CAPACITY + SLACK);
      }
      assert.isAbove(index.evicted, 0);
      index.check();
    });
  }

  it('needs no more memory for a holder that evicts as much as it stores, however long that goes on', () => {
    const kept = prompt(OFTEN, 10);
    store(kept);
    const { bytes } = index;
    for (let i = 0; i < 20_000; i++) {
      const chain = prompt(i, 3);
      store(chain);
      for (let position = 2; position >= 0; position--) index.remove(holder(0), hashOf(chain, position));
    }
    assert.isAtMost(index.bytes, bytes + 4 * SLACK);
    assert.equal(depth(kept), 10);
    index.check();
  });

  it('may be full of one thing, and then of another', () => {
    const few = Array.from({ length: 40 }, (_, by) => by);
    for (let i = 0; i < 2_000; i++) for (const by of few) store(prompt(i, 1), by);
    for (const by of few) index.clear(holder(by));
    for (let i = 0; i < 6_000; i++) for (const by of few.slice(0, 6)) store(prompt(i, 1), by);
    assert.isAtMost(index.bytes, CAPACITY + SLACK);
    assert.equal(depth(prompt(5_999, 1), 5), 1);
    index.check();
  });

  it('claims nothing that a map of sets would not, after any history', () => {
    const chain = fc
      .tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 }), fc.integer({ min: 1, max: 250 }))
      .map(([start, branch, blocks]) =>
        chainOf(Array.from({ length: blocks }, (_, i) => (i < 40 ? start : 10 * branch + (i % 7)))),
      );
    const step = fc.record({
      what: fc.constantFrom('store', 'store', 'store', 'store', 'remove', 'evict', 'clear'),
      by: fc.nat({ max: 3 }),
      chain,
      at: fc.nat({ max: 250 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), steps => {
        const small = new RunIndex({ capacityBytes: 1 << 15, maxHolders: 8, seed: 1 });
        const all = new MapOfSets();
        for (const { what, by, chain: of, at } of steps) {
          const engineHashes = engineHashesOf(of);
          const evicted = what === 'evict' ? Math.min(at, of.length) : 1;
          for (const each of [small, all]) {
            if (what === 'store') each.store(holder(by), of, { after: START, engineHashes, again: 'same' });
            else if (what === 'clear') each.clear(holder(by));
            else {
              for (let i = 0; i < evicted; i++) {
                const position = what === 'evict' ? of.length - 1 - i : at % of.length;
                each.remove(holder(by), engineHashIn(engineHashes, position));
              }
            }
          }
          small.check();
          const found = small.find(of);
          for (let id = 0; id < 4; id++) {
            assert.isAtMost(found.depthOf(holder(id)), all.find(of).depthOf(holder(id)));
          }
        }
        for (let id = 0; id < 4; id++) {
          assert.isAtMost(small.held(holder(id)), all.held(holder(id)));
        }
      }),
      { numRuns: 12 },
    );
  });
});
