import { assert } from 'chai';
import fc from 'fast-check';
import type { BlockChain, CacheContext } from '../../src/domain.ts';
import { BlockHasher, blockAt, lookaheadOf, mediaExtras } from '../../src/prompt/blocks.ts';
import { aContext, blockForm, chainOf, HASHER } from '../support/blocks.ts';

const tokenId = fc.integer({ min: 0, max: 0xffffffff });
const ids = fc.array(tokenId, { maxLength: 40 }).map(list => Uint32Array.from(list));
const blockSize = fc.integer({ min: 1, max: 9 });
const seed = fc.integer({ min: 0, max: 0xffffffff });
const text = fc.oneof(fc.constantFrom('', 'a', 'ab', 'b', 'demo'), fc.string());
const context: fc.Arbitrary<CacheContext> = fc.record({
  space: fc.constantFrom('engine', 'character', 'tiktoken'),
  model: text,
  salt: text,
});

function hashesOf(chain: BlockChain): string[] {
  return Array.from({ length: chain.length }, (_, position) => JSON.stringify(blockAt(chain, position)));
}

describe('a block hasher', () => {
  it('has two lanes for every full block and leaves a partial last block out', () => {
    fc.assert(
      fc.property(ids, blockSize, (tokens, size) => {
        const chain = chainOf(tokens, size);
        assert.equal(chain.blockSizeTokens, size);
        assert.equal(chain.length, Math.floor(tokens.length / size));
        assert.equal(chain.lanes.length, 2 * chain.length);
        const full = tokens.subarray(0, chain.length * size);
        assert.deepEqual(chainOf(full, size), chain);
      }),
    );
  });

  it('gives the same chain wherever it is cut and continued', () => {
    fc.assert(
      fc.property(ids, blockSize, context, seed, fc.nat(), (tokens, size, from, anySeed, anyCut) => {
        const root = new BlockHasher(anySeed).root(from, blockForm(size));
        const whole = new BlockHasher(anySeed).chain(root, tokens, size);
        fc.pre(whole.length > 1);
        const cut = 1 + (anyCut % (whole.length - 1));
        const head = new BlockHasher(anySeed).chain(root, tokens.subarray(0, cut * size), size);
        const tail = new BlockHasher(anySeed).chain(
          blockAt(head, head.length - 1),
          tokens.subarray(cut * size),
          size,
        );
        assert.deepEqual([...hashesOf(head), ...hashesOf(tail)], hashesOf(whole));
      }),
    );
  });

  it('changes every hash from the block of a changed token on, and none before it', () => {
    fc.assert(
      fc.property(ids, blockSize, fc.nat(), tokenId, (tokens, size, anyPosition, other) => {
        const before = chainOf(tokens, size);
        fc.pre(before.length > 0);
        const position = anyPosition % (before.length * size);
        fc.pre(tokens[position] !== other);
        const after = chainOf(tokens.with(position, other), size);
        const changed = Math.floor(position / size);
        for (let block = 0; block < before.length; block++) {
          const same = hashesOf(before)[block] === hashesOf(after)[block];
          assert.equal(same, block < changed, `block ${block}`);
        }
      }),
    );
  });

  it('lets an extra enter the hash of its block and of all later ones', () => {
    fc.assert(
      fc.property(
        ids,
        blockSize,
        fc.nat(),
        fc.string(),
        fc.string(),
        (tokens, size, anyBlock, one, other) => {
          const root = HASHER.root(aContext(), blockForm(size));
          const bare = hashesOf(HASHER.chain(root, tokens, size));
          fc.pre(bare.length > 0 && one !== other);
          const block = anyBlock % bare.length;
          const withExtra = (extra: string) =>
            hashesOf(
              HASHER.chain(root, tokens, size, [...new Array<undefined>(block).fill(undefined), extra]),
            );
          for (let at = 0; at < bare.length; at++) {
            const distinct = new Set([bare[at], withExtra(one)[at], withExtra(other)[at]]).size;
            assert.equal(distinct, at < block ? 1 : 3, `block ${at}`);
          }
        },
      ),
    );
  });

  it('does not confuse an extra of one block with the same extra of the next', () => {
    const root = HASHER.root(aContext(), blockForm(1));
    const tokens = Uint32Array.of(1, 2);
    const first = hashesOf(HASHER.chain(root, tokens, 1, ['x']));
    const second = hashesOf(HASHER.chain(root, tokens, 1, [undefined, 'x']));
    assert.notEqual(first[1], second[1]);
  });

  it('has the hashes of one token at two positions apart', () => {
    const hashes = hashesOf(chainOf(new Uint32Array(1_000)));
    assert.equal(new Set(hashes).size, 1_000);
  });
});

describe('the root of a chain', () => {
  const key = (from: CacheContext, size: number) => JSON.stringify([from.space, from.model, from.salt, size]);

  it('gives each context and block size a start of its own', () => {
    fc.assert(
      fc.property(context, context, blockSize, blockSize, (one, other, oneSize, otherSize) => {
        const equal = key(one, oneSize) === key(other, otherSize);
        const roots = [HASHER.root(one, blockForm(oneSize)), HASHER.root(other, blockForm(otherSize))];
        assert.equal(JSON.stringify(roots[0]) === JSON.stringify(roots[1]), equal);
      }),
      { numRuns: 500 },
    );
  });

  const texts = ['', 'a', 'b', 'ab', 'ba', 'aa', '\0', 'a\0', '\0a', '\u00e9', 'e\u0301', '日', '🙂'];

  it('keeps texts apart that would run together', () => {
    const roots = new Set<string>();
    for (const model of texts) {
      for (const salt of texts)
        roots.add(JSON.stringify(HASHER.root(aContext({ model, salt }), blockForm(16))));
    }
    assert.equal(roots.size, texts.length ** 2);
  });

  it('keeps contexts apart in every block of their chains', () => {
    const tokens = Uint32Array.from({ length: 64 }, (_, i) => i);
    const contexts = [
      aContext(),
      aContext({ space: 'character' }),
      aContext({ space: 'tiktoken' }),
      aContext({ model: 'adapter' }),
      aContext({ salt: 'tenant' }),
    ];
    const hashes = contexts.flatMap(from => hashesOf(chainOf(tokens, 16, from)));
    assert.equal(new Set([...hashes, ...hashesOf(chainOf(tokens, 8))]).size, 5 * 4 + 8);
  });

  it('depends on the seed, and on nothing else of the process', () => {
    assert.notDeepEqual(
      new BlockHasher(1).root(aContext(), blockForm(16)),
      new BlockHasher(2).root(aContext(), blockForm(16)),
    );
    assert.deepEqual(
      new BlockHasher(0xffffffff).root(aContext(), blockForm(16)),
      new BlockHasher(-1).root(aContext(), blockForm(16)),
    );
  });
});

describe('64-bit block hashes of prompts with little in them', function () {
  this.timeout(20_000);
  const BLOCKS = 300_000;
  const SIZE = 16;

  /** Fills one block of tokens for the n-th prompt. */
  const shapes: Record<string, (n: number, block: Uint32Array) => void> = {
    'a counter in the last token': (n, block) => {
      block[SIZE - 1] = n;
    },
    'a counter in the first token': (n, block) => {
      block[0] = n;
    },
    'consecutive tokens from a counter': (n, block) => {
      for (let i = 0; i < SIZE; i++) block[i] = n + i;
    },
    'tokens 0 and 1 only': (n, block) => {
      for (let i = 0; i < 16; i++) block[i] = (n >>> i) & 1;
      block[15] = block[15]! | ((n >>> 16) << 1);
    },
    'high bits of the vocabulary only': (n, block) => {
      for (let i = 0; i < 10; i++) block[i] = ((n >>> (2 * i)) & 3) << 16;
    },
    'two tokens that make up for each other': (n, block) => {
      block[6] = n & 0x3ff;
      block[7] = 0x20000 ^ (n >>> 10);
      block[8] = n & 0x3ff;
    },
    'the same tokens in another order': (n, block) => {
      for (let i = 0; i < SIZE; i++) block[i] = i;
      for (let i = SIZE - 1, rest = n; i > 0; i--) {
        const j = rest % (i + 1);
        rest = Math.floor(rest / (i + 1));
        [block[i], block[j]] = [block[j]!, block[i]!];
      }
    },
  };

  for (const [name, fill] of Object.entries(shapes)) {
    it(`do not collide and are spread well: ${name}`, () => {
      const root = HASHER.root(aContext(), blockForm(SIZE));
      const seen = new BigUint64Array(BLOCKS);
      const block = new Uint32Array(SIZE);
      const counts = Array.from({ length: 4 }, () => new Uint32Array(256));
      for (let n = 0; n < BLOCKS; n++) {
        block.fill(0);
        fill(n, block);
        const { hi, lo } = blockAt(HASHER.chain(root, block, SIZE), 0);
        seen[n] = (BigInt(hi) << 32n) | BigInt(lo);
        for (const [byte, value] of [hi >>> 24, hi & 0xff, lo >>> 24, lo & 0xff].entries()) {
          counts[byte]![value]!++;
        }
      }
      seen.sort();
      assert.equal(repeats(seen), 0, 'collisions in 64 bits');
      // Of n values in 2^32, n² / 2^33 = 10.5 pairs are equal by chance.
      const hi = Uint32Array.from(seen, hash => Number(hash >> 32n)).sort();
      const lo = Uint32Array.from(seen, hash => Number(hash & 0xffffffffn)).sort();
      assert.isBelow(repeats(hi), 40, 'collisions in the high lane');
      assert.isBelow(repeats(lo), 40, 'collisions in the low lane');
      // χ² with 255 degrees of freedom: mean 255, standard deviation 23.
      for (const count of counts) assert.isBelow(chiSquare(count, BLOCKS / 256), 255 + 6 * 23);
    });
  }
});

function repeats(sorted: ArrayLike<number> | ArrayLike<bigint>): number {
  let count = 0;
  for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) count++;
  return count;
}

function chiSquare(counts: Uint32Array, expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe('mediaExtras', () => {
  const item = (identifier: string, offset: number, length: number) => ({ identifier, offset, length });

  it('names in each block the items that it holds a part of, and where they start', () => {
    const media = [item('cat', 6, 10), item('dog', 17, 2), item('owl', 19, 1)];
    assert.deepEqual(mediaExtras(media, blockForm(4)), [
      undefined,
      '[["cat",2]]',
      '[["cat",-2]]',
      '[["cat",-6]]',
      '[["dog",1],["owl",3]]',
    ]);
  });

  it('names an item in the block before it, too, where hashes cover what follows', () => {
    const media = [item('cat', 5, 2), item('dog', 8, 1), item('owl', 15, 1)];
    assert.deepEqual(mediaExtras(media, blockForm(4, 1)), [
      undefined,
      '[["cat",1],["dog",4]]',
      '[["dog",0]]',
      '[["owl",3]]',
    ]);
    assert.deepEqual(mediaExtras([item('cat', 1, 1)], blockForm(4, 2)), ['[["cat",1]]']);
  });

  it('is nothing without items', () => {
    assert.deepEqual(mediaExtras([], blockForm(4)), []);
  });
});

describe('lookaheadOf', () => {
  it('has what follows each block, as far as all of it is there', () => {
    const ids = Uint32Array.of(0, 1, 2, 3, 4, 5, 6);
    const following = (tokens: number) => [...lookaheadOf(ids, blockForm(2, tokens)).ids];
    assert.deepEqual(following(0), []);
    assert.deepEqual(following(1), [2, 4, 6]);
    assert.deepEqual(following(2), [2, 3, 4, 5]);
    assert.deepEqual(following(3), [2, 3, 4, 4, 5, 6]);
    assert.deepEqual(following(9), []);
  });

  it('makes blocks differ by what follows them, and chains by how much that is', () => {
    const chain = (ids: readonly number[], tokens: number) => {
      const form = blockForm(2, tokens);
      const all = Uint32Array.from(ids);
      return HASHER.chain(HASHER.root(aContext(), form), all, 2, undefined, lookaheadOf(all, form));
    };
    const [one, other] = [chain([1, 2, 3, 4, 5], 1), chain([1, 2, 3, 4, 6], 1)];
    assert.deepEqual([one.length, other.length], [2, 2]);
    assert.deepEqual(blockAt(one, 0), blockAt(other, 0));
    assert.notDeepEqual(blockAt(one, 1), blockAt(other, 1));
    assert.equal(chain([1, 2, 3, 4], 1).length, 1);
    for (const tokens of [0, 2])
      assert.notDeepEqual(blockAt(chain([1, 2, 3, 4, 5], tokens), 0), blockAt(one, 0));
  });
});
