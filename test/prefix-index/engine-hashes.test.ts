import { assert } from 'chai';
import fc from 'fast-check';
import type { EngineLanes } from '../../src/domain.ts';
import { EngineHashes } from '../../src/prefix-index/engine-hashes.ts';
import { Arena, LINE } from '../../src/prefix-index/memory/arena.ts';
import { engineLanes } from '../support/blocks.ts';

const LINES = 300;
const HOLDERS = 4;

/** Hashes of so many blocks, as one of several engines has them. */
function lanesOf(count: number, engine = 0): EngineLanes {
  return Uint32Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 1 + engine : i)) as EngineLanes;
}

describe('the engines’ hashes', () => {
  let arena: Arena;
  let hashes: EngineHashes;

  beforeEach(() => {
    arena = new Arena(LINES * LINE);
    hashes = new EngineHashes(arena, { capacity: LINES * LINE, maxHolders: HOLDERS, seed: 3 });
  });

  /** Blocks without hashes. Returns the first one's position. */
  function blocks(count: number): number {
    const { line, lines } = arena.allocate(Math.ceil(count / LINE))!;
    assert.equal(lines, Math.ceil(count / LINE));
    arena.occupy(line * LINE, count);
    return line * LINE;
  }

  /** New blocks as the first engine announces them. */
  function announced(count: number, lanes = lanesOf(count)): number {
    const first = blocks(count);
    assert.isEmpty(hashes.announceNew(first, count, lanes, 0));
    return first;
  }

  /** All that a holder may mean by the hash of the i-th block in some lanes. */
  function found(holder: number, lanes: Uint32Array, i: number): number[] {
    const all: number[] = [];
    let position = hashes.find(holder, lanes[2 * i]!, lanes[2 * i + 1]!);
    for (; position !== 0; position = hashes.next()) all.push(position);
    return all;
  }

  it('lead every holder to the block', () => {
    const first = announced(20);
    for (const holder of [0, 1]) {
      for (let i = 0; i < 20; i++) assert.deepEqual(found(holder, lanesOf(20), i), [first + i]);
    }
    assert.isEmpty(found(0, lanesOf(21), 20));
  });

  it('are those of any part of what was announced', () => {
    const first = blocks(3);
    assert.isEmpty(hashes.announceNew(first, 3, lanesOf(10), 5));
    assert.deepEqual(found(0, lanesOf(10), 5), [first]);
    assert.isEmpty(found(0, lanesOf(10), 4));
  });

  it('take no memory for those who call a block as the first one did', () => {
    const first = announced(20);
    const before = [arena.bytes, hashes.bytes];
    assert.isTrue(hashes.announce(1, first, 20, lanesOf(20), 0));
    assert.deepEqual([arena.bytes, hashes.bytes], before);
    assert.isTrue(hashes.isOf(1, first + 3, lanesOf(20)[6]!, lanesOf(20)[7]!));
  });

  it('may be others of another holder, which nobody else means by them', () => {
    const first = announced(20);
    const others = lanesOf(20, 1);
    assert.isTrue(hashes.announce(1, first + 2, 10, others, 2));
    for (let i = 0; i < 20; i++) {
      const isOwn = i >= 2 && i < 12;
      assert.deepEqual(found(1, others, i), isOwn ? [first + i] : []);
      assert.deepEqual(found(1, lanesOf(20), i), isOwn ? [] : [first + i]);
      assert.isEmpty(found(2, others, i));
      assert.deepEqual(found(2, lanesOf(20), i), [first + i]);
      assert.equal(hashes.isOf(1, first + i, others[2 * i]!, others[2 * i + 1]!), isOwn);
      assert.equal(hashes.isOf(1, first + i, 1, 2 * i + 1), !isOwn);
    }
  });

  it('are those of the first engine that announces a block, whoever stored it', () => {
    const first = blocks(3);
    assert.isEmpty(found(0, lanesOf(3), 0));
    assert.isTrue(hashes.announce(1, first, 3, lanesOf(3), 0));
    assert.deepEqual(found(2, lanesOf(3), 0), [first]);
  });

  it('of a holder are forgotten with its blocks, and their memory is free', () => {
    const first = announced(20);
    const before = arena.bytes;
    const others = lanesOf(20, 1);
    hashes.announce(1, first, 20, others, 0);
    assert.isAbove(arena.bytes, before);
    hashes.forget(1, first, 19);
    assert.isEmpty(found(1, others, 0));
    assert.deepEqual(found(1, others, 19), [first + 19]);
    hashes.forget(1, first + 19, 1);
    assert.equal(arena.bytes, before);
    assert.deepEqual(found(1, lanesOf(20), 19), [first + 19]);
  });

  it('of blocks that nobody holds lead nowhere', () => {
    const first = announced(20);
    hashes.forgetBlocks(first, 10);
    for (let i = 0; i < 20; i++) assert.deepEqual(found(0, lanesOf(20), i), i < 10 ? [] : [first + i]);
    hashes.forgetBlocks(first, 10);
    const again = blocks(10);
    assert.isTrue(hashes.announce(0, again, 10, lanesOf(20), 0));
    assert.deepEqual(found(0, lanesOf(20), 0), [again]);
  });

  it('may stand for several blocks', () => {
    const [one, other] = [announced(3), announced(3)];
    assert.sameMembers(found(0, lanesOf(3), 1), [one + 1, other + 1]);
    hashes.forgetBlocks(one, 3);
    assert.deepEqual(found(0, lanesOf(3), 1), [other + 1]);
  });

  it('are refused where they stand for very many, and only there', () => {
    const count = 1_000;
    const first = blocks(count);
    const lanes = lanesOf(count, 40).map((lane, i) => (i < 2 * (count - 10) ? 7 : lane)) as EngineLanes;
    const refused = hashes.announceNew(first, count, lanes, 0);
    assert.isAbove(refused.length, 100);
    assert.isTrue(refused.every(position => position < first + count - 10));
    assert.lengthOf(found(0, lanes, 0), count - 10 - refused.length);
    for (const position of refused) assert.isFalse(hashes.isOf(0, position, 7, 7));
    hashes.check(positionsFrom(first, count), () => false);

    const others = announced(3, lanesOf(3, 1));
    const own = engineLanes(8, 1, 8, 2, 7, 7);
    assert.isFalse(hashes.announce(1, others, 3, own, 0));
    assert.isEmpty(found(1, own, 0), 'nothing of it was kept');
    assert.deepEqual(found(1, lanesOf(3, 1), 0), [others]);
  });

  it('of a holder’s own are refused where there is no room', () => {
    const first = announced(LINE * LINES);
    assert.isFalse(hashes.announce(1, first, 3, lanesOf(3, 1), 0));
    assert.isEmpty(found(1, lanesOf(3, 1), 0));
    assert.isTrue(hashes.announce(1, first, 3, lanesOf(3), 0));
  });

  it('lead each holder to the blocks that it announced, after any history', () => {
    const BLOCKS = 30;
    const step = fc.record({
      what: fc.constantFrom('announce', 'announce', 'forget', 'forgetBlocks'),
      holder: fc.nat({ max: HOLDERS - 1 }),
      at: fc.nat({ max: BLOCKS - 1 }),
      count: fc.integer({ min: 1, max: 12 }),
      engine: fc.nat({ max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
        arena = new Arena(LINES * LINE);
        hashes = new EngineHashes(arena, { capacity: LINES * LINE, maxHolders: HOLDERS, seed: 3 });
        const first = blocks(BLOCKS);
        /** By holder: block → the engine whose hash it has. */
        const held = Array.from({ length: HOLDERS }, () => new Map<number, number>());
        for (const { what, holder, at, count, engine } of steps) {
          for (let i = at; i < Math.min(BLOCKS, at + count); i++) {
            if (what === 'announce' && !held[holder]!.has(i)) {
              assert.isTrue(hashes.announce(holder, first + i, 1, lanesOf(BLOCKS, engine), i));
              held[holder]!.set(i, engine);
            } else if (what === 'forget') {
              hashes.forget(holder, first + i, 1);
              held[holder]!.delete(i);
            } else if (what === 'forgetBlocks' && held.every(blocksOf => !blocksOf.has(i))) {
              hashes.forgetBlocks(first + i, 1);
            }
          }
          hashes.check(positionsFrom(first, BLOCKS), (by, position) => held[by]!.has(position - first));
        }
        for (const [holder, blocksOf] of held.entries()) {
          for (const [i, engine] of blocksOf) {
            for (const scheme of [0, 1, 2]) {
              const lanes = lanesOf(BLOCKS, scheme);
              assert.deepEqual(found(holder, lanes, i), scheme === engine ? [first + i] : []);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

function positionsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}
