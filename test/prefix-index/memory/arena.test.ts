import { assert } from 'chai';
import fc from 'fast-check';
import { Arena, type Extent, LINE } from '../../../src/prefix-index/memory/arena.ts';

const BYTES_A_LINE = 16 * LINE + 1;
const LINES = 40;

describe('the arena', () => {
  let arena: Arena;
  beforeEach(() => {
    arena = new Arena(LINES * LINE);
  });

  /** Lines full of blocks. */
  function fill(lines: number): Extent {
    const extent = arena.allocate(lines)!;
    arena.occupy(extent.line * LINE, extent.lines * LINE);
    return extent;
  }

  const empty = ({ line, lines }: Extent) => arena.vacate(line * LINE, lines * LINE);
  const bytesOf = (lines: number) => lines * BYTES_A_LINE;

  it('gives out lines in a row, and never position 0', () => {
    const [one, other] = [fill(3), fill(2)];
    assert.deepEqual([one.lines, other.lines], [3, 2]);
    assert.isAbove(one.line, 0);
    assert.equal(other.line, one.line + 3);
    assert.equal(arena.blocks, 5 * LINE);
  });

  it('counts the memory of whole lines', () => {
    const before = arena.bytes;
    const extent = arena.allocate(2)!;
    arena.occupy(extent.line * LINE, LINE + 1);
    assert.equal(arena.blocks, LINE + 1);
    assert.equal(arena.bytes - before, bytesOf(2));
    arena.vacate(extent.line * LINE + LINE, 1);
    assert.equal(arena.bytes - before, bytesOf(1));
    arena.check(new Map([[extent.line, LINE]]));
  });

  it('joins lines that become free with the free ones around them', () => {
    const [a, b, c] = [fill(1), fill(2), fill(1)];
    const guard = fill(1);
    empty(a);
    empty(c);
    empty(b);
    arena.check(new Map([[guard.line, LINE]]));
    assert.deepEqual(arena.allocate(4), { line: a.line, lines: 4 });
  });

  it('is as it was when the last lines become free', () => {
    const before = arena.bytes;
    const extents = [fill(1), fill(2), fill(3)];
    for (const i of [1, 2, 0]) empty(extents[i]!);
    assert.equal(arena.bytes, before);
    assert.equal(arena.blocks, 0);
    arena.check(new Map());
    assert.equal(fill(4).line, extents[0]!.line);
  });

  it('gives what there is when there is less than is wanted, and nothing when there is nothing', () => {
    const keeps = Array.from({ length: LINES / 4 }, () => [fill(3), fill(1)] as const);
    assert.isUndefined(arena.allocate(1));
    empty(keeps[2]![1]);
    empty(keeps[5]![0]);
    assert.deepEqual(fill(10), keeps[5]![0]);
    assert.deepEqual(fill(10), keeps[2]![1]);
    assert.isUndefined(arena.allocate(1));
  });

  it('uses all that it may have', () => {
    assert.equal(fill(1_000).lines, LINES);
    assert.isUndefined(arena.allocate(1));
  });

  it('keeps what is reserved behind a line until that line is free', () => {
    const extent = arena.allocate(4)!;
    const { line } = extent;
    arena.occupy(line * LINE, 1);
    arena.reserve(line + 1, 3);
    assert.equal(fill(1).line, line + 4, 'nobody else gets it');
    assert.isTrue(arena.take(line + 1));
    arena.occupy((line + 1) * LINE, LINE);
    arena.check(
      new Map([
        [line, 1],
        [line + 1, LINE],
        [line + 4, LINE],
      ]),
    );
    arena.vacate((line + 1) * LINE, LINE);
    arena.vacate(line * LINE, 1);
    arena.check(new Map([[line + 4, LINE]]));
    assert.deepEqual(arena.allocate(4), extent);
  });

  it('takes a line that is wanted, if it is free', () => {
    const [a, b, guard] = [fill(1), fill(3), fill(1)];
    assert.isFalse(arena.take(b.line), 'it is in use');
    empty(b);
    assert.isTrue(arena.take(b.line));
    arena.occupy(b.line * LINE, 1);
    assert.isFalse(arena.take(b.line));
    assert.isTrue(arena.take(b.line + 1));
    arena.occupy((b.line + 1) * LINE, 1);
    assert.isTrue(arena.take(guard.line + 1), 'never used before');
    arena.occupy((guard.line + 1) * LINE, 1);
    assert.isFalse(arena.take(guard.line + 3), 'far away');
    assert.isFalse(arena.take(LINES + 1), 'beyond the end');
    arena.check(
      new Map([
        [a.line, LINE],
        [b.line, 1],
        [b.line + 1, 1],
        [guard.line, LINE],
        [guard.line + 1, 1],
      ]),
    );
  });

  it('has lines of a holder’s own, which are free with their last hash', () => {
    const before = arena.bytes;
    const line = arena.allocateOwnLine();
    assert.isAbove(line, 0);
    assert.isTrue(arena.isOwnLine(line));
    for (let hash = 0; hash < LINE; hash++) arena.occupyOwn(line);
    const blocks = fill(1);
    assert.isFalse(arena.isOwnLine(blocks.line));
    arena.check(new Map([[blocks.line, LINE]]));
    for (let hash = 1; hash < LINE; hash++) assert.isFalse(arena.vacateOwn(line));
    assert.isTrue(arena.isOwnLine(line));
    assert.isTrue(arena.vacateOwn(line));
    assert.isFalse(arena.isOwnLine(line));
    empty(blocks);
    assert.equal(arena.bytes, before);
    assert.equal(arena.blocks, 0);
  });

  it('has no line of one’s own when it is full', () => {
    fill(LINES);
    assert.equal(arena.allocateOwnLine(), 0);
  });

  it('knows the hash of each block', () => {
    const { line } = fill(1);
    arena.ours[2 * LINE * line] = 1;
    arena.ours[2 * LINE * line + 1] = 0xffffffff;
    const { hi, lo } = arena.hashAt(LINE * line);
    assert.deepEqual([hi, lo], [1, 0xffffffff]);
  });

  it('never gives out a line twice, and loses none, after any history', function () {
    this.timeout(20_000);
    const step = fc.record({
      what: fc.constantFrom('grow', 'grow', 'shrink', 'follow', 'own'),
      which: fc.nat({ max: 50 }),
      blocks: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), steps => {
        arena = new Arena(LINES * LINE);
        /** Chains of blocks: from which position to before which. */
        const chains: { first: number; end: number }[] = [];
        const own = new Map<number, number>();
        const blocksIn = () => {
          const count = new Map<number, number>();
          for (const { first, end } of chains) {
            for (let at = first; at < end; at++) {
              count.set(Math.floor(at / LINE), (count.get(Math.floor(at / LINE)) ?? 0) + 1);
            }
          }
          return count;
        };
        for (const { what, which, blocks } of steps) {
          const chain = chains[which % Math.max(1, chains.length)];
          if (what === 'grow') {
            const extent = arena.allocate(Math.ceil(blocks / LINE));
            if (extent === undefined) continue;
            const first = extent.line * LINE;
            const count = Math.min(blocks, extent.lines * LINE);
            arena.occupy(first, count);
            const used = Math.ceil(count / LINE);
            arena.reserve(extent.line + used, extent.lines - used);
            chains.push({ first, end: first + count });
          } else if (what === 'shrink' && chain) {
            const count = Math.min(blocks, chain.end - chain.first);
            if (which % 2 === 0) arena.vacate(chain.end - count, count);
            else arena.vacate(chain.first, count);
            if (which % 2 === 0) chain.end -= count;
            else chain.first += count;
            if (chain.first === chain.end) chains.splice(chains.indexOf(chain), 1);
          } else if (what === 'follow' && chain && chain.end % LINE === 0) {
            if (!arena.take(chain.end / LINE)) continue;
            const count = Math.min(blocks, LINE);
            arena.occupy(chain.end, count);
            chain.end += count;
          } else if (what === 'own') {
            const [line] = [...own.keys()].slice(which % Math.max(1, own.size));
            if (line === undefined || which % 2 === 0) {
              const fresh = arena.allocateOwnLine();
              if (fresh === 0) continue;
              assert.isFalse(own.has(fresh));
              for (let hash = 0; hash < Math.min(blocks, LINE); hash++) arena.occupyOwn(fresh);
              own.set(fresh, Math.min(blocks, LINE));
            } else {
              const left = own.get(line)! - 1;
              assert.equal(arena.vacateOwn(line), left === 0);
              if (left === 0) own.delete(line);
              else own.set(line, left);
            }
          }
          const lines = blocksIn();
          assert.isTrue([...lines].every(([line, count]) => line > 0 && count <= LINE && !own.has(line)));
          assert.isTrue([...own.keys()].every(line => arena.isOwnLine(line)));
          arena.check(lines);
          assert.equal(
            arena.blocks,
            chains.reduce((sum, { first, end }) => sum + end - first, 0),
          );
          assert.isAtLeast(arena.bytes, bytesOf(lines.size + own.size));
        }
        for (const { first, end } of chains) arena.vacate(first, end - first);
        for (const [line, hashes] of own) for (let hash = 0; hash < hashes; hash++) arena.vacateOwn(line);
        arena.check(new Map());
        assert.deepEqual([arena.blocks, fill(LINES).lines], [0, LINES], 'all of it is free again');
      }),
      { numRuns: 200 },
    );
  });
});
