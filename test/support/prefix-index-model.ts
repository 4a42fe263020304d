/** A PrefixIndex compared with a map of sets through long random histories. */

import { assert } from 'chai';
import fc from 'fast-check';
import type { BlockChain, EngineLanes } from '../../src/domain.ts';
import { type PrefixIndex, START } from '../../src/prefix-index/prefix-index.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { chainOf, depthsOf, engineHashesOf, engineHashIn, holder, slice } from './blocks.ts';
import { MapOfSets } from './map-of-sets.ts';

export interface ModelOptions {
  readonly holders: number;
  /** Most blocks of a chain. */
  readonly length: number;
  readonly histories: number;
  readonly commands: number;
  /** Called after each command. */
  readonly check: (index: PrefixIndex) => void;
}

/** Under which hashes blocks are announced: those of one engine or another, or such that many blocks share one. */
type Scheme = 0 | 1 | 2 | 'shared';

interface Pair {
  readonly model: MapOfSets;
  readonly real: PrefixIndex;
}

interface Command {
  readonly name: string;
  run(pair: Pair): void;
  [fc.toStringMethod](): string;
}

function command(name: string, run: (pair: Pair) => void): Command {
  return { name, run, [fc.toStringMethod]: () => name };
}

function hashesOf(chain: BlockChain, scheme: Scheme): EngineLanes {
  if (scheme !== 'shared') return engineHashesOf(chain, scheme);
  return chain.lanes.map((lane, i) =>
    i % 2 === 0 ? 9 : 1 + (chain.lanes[i - 1]! % 3) + (lane & 0),
  ) as EngineLanes;
}

/** Announces `chain`; if the holder holds its first `known` blocks already, only what follows them. */
function store(
  by: number,
  chain: BlockChain,
  known: number,
  scheme: Scheme,
  again: 'copy' | 'same',
): Command {
  return command(
    `store(${by}, [${chain.lanes}], from ${known}, scheme ${scheme}, ${again})`,
    ({ model, real }) => {
      const id = holder(by);
      const before = known > 0 ? blockAt(chain, known - 1) : undefined;
      const engineHash =
        known > 0 && scheme !== 'shared' ? engineHashIn(hashesOf(chain, scheme), known - 1) : undefined;
      const goesOn = before && engineHash && model.calls(id, before, engineHash);
      const part = goesOn ? slice(chain, known) : chain;
      const added = [model, real].map(index => {
        const after = goesOn ? index.locate(id, engineHash)! : START;
        if (goesOn) assert.deepEqual(index.hashAt(after), before);
        return index.store(id, part, {
          after,
          engineHashes: hashesOf(part, scheme),
          again,
        });
      });
      assert.equal(added[1], added[0]);
    },
  );
}

/** Of a holder that no engine speaks for. */
function expectBlocks(by: number, chain: BlockChain): Command {
  return command(`expect(${by}, [${chain.lanes}])`, ({ model, real }) => {
    const [expected, added] = [model, real].map(index =>
      index.store(holder(by), chain, { after: START, engineHashes: undefined, again: 'same' }),
    );
    assert.equal(added, expected);
  });
}

function remove(by: number, chain: BlockChain, position: number, scheme: Scheme): Command {
  const hash = engineHashIn(hashesOf(chain, scheme), position);
  return command(`remove(${by}, [${chain.lanes}] at ${position}, scheme ${scheme})`, ({ model, real }) => {
    const [expected, gone] = [model, real].map(index => index.remove(holder(by), hash).length);
    assert.equal(gone, expected);
  });
}

/** As engines evict a sequence: its last blocks, one by one. */
function evict(by: number, chain: BlockChain, blocks: number, scheme: Scheme): Command {
  const each = Array.from({ length: Math.min(blocks, chain.length) }, (_, i) =>
    remove(by, chain, chain.length - 1 - i, scheme),
  );
  return command(`evict(${by}, ${blocks} of [${chain.lanes}], scheme ${scheme})`, pair => {
    for (const one of each) one.run(pair);
  });
}

function clear(by: number): Command {
  return command(`clear(${by})`, ({ model, real }) => {
    for (const index of [model, real]) index.clear(holder(by));
  });
}

function find(chain: BlockChain): Command {
  return command(`find([${chain.lanes}])`, ({ model, real }) => {
    const [expected, found] = [model, real].map(index => {
      const depths = [...depthsOf(index.find(chain).layers())];
      const told: [number, number][] = [];
      index.find(chain).forEachLayer((depth, by, from, to) => {
        for (const each of by.subarray(from, to)) told.push([each, depth]);
      });
      assert.sameDeepMembers(told, depths);
      for (const [by, depth] of depths) assert.equal(index.find(chain).depthOf(holder(by)), depth);
      return depths.sort(([a], [b]) => a - b);
    });
    assert.deepEqual(found, expected);
  });
}

export function describePrefixIndexModel(name: string, make: () => PrefixIndex, options: ModelOptions): void {
  const { holders, length, histories, commands, check } = options;
  const by = fc.nat({ max: holders - 1 });
  /** A short alphabet and repetition, so that chains share prefixes of any length. */
  const chain = fc
    .tuple(
      fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: length }),
      fc.array(fc.nat({ max: 1 }), { maxLength: 3 }),
    )
    .map(([start, blocks, end]) =>
      chainOf([...Array.from({ length: blocks }, (_, i) => start[i % start.length]!), ...end]),
    );
  const scheme = fc.oneof(
    { weight: 6, arbitrary: fc.constant<Scheme>(0) },
    { weight: 2, arbitrary: fc.constantFrom<Scheme>(1, 2) },
    { weight: 1, arbitrary: fc.constant<Scheme>('shared') },
  );
  const again = fc.constantFrom('copy' as const, 'copy' as const, 'copy' as const, 'same' as const);
  const anyCommand: fc.Arbitrary<Command> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(by, chain, fc.nat({ max: length }), scheme, again)
        .map(([id, of, known, as, how]) => store(id, of, known % of.length, as, how)),
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(by, chain, fc.nat({ max: length }), scheme)
        .map(([id, of, at, as]) => remove(id, of, at % of.length, as)),
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(by, chain, fc.nat({ max: length }), scheme)
        .map(([id, of, count, as]) => evict(id, of, count, as)),
    },
    { weight: 1, arbitrary: chain.map(of => expectBlocks(holders, of)) },
    { weight: 1, arbitrary: fc.nat({ max: holders }).map(clear) },
    { weight: 4, arbitrary: chain.map(find) },
  );

  describe(`a prefix index (${name}), after any history`, () => {
    it('holds what a map of sets holds', function () {
      this.timeout(60_000);
      fc.assert(
        fc.property(fc.array(anyCommand, { minLength: 1, maxLength: commands, size: 'max' }), history => {
          const pair = { model: new MapOfSets(), real: make() };
          for (const each of history) {
            try {
              each.run(pair);
              assert.deepEqual(pair.real.size(), pair.model.size());
              check(pair.real);
            } catch (error) {
              throw new Error(each.name, { cause: error });
            }
          }
          for (let id = 0; id <= holders; id++) {
            assert.equal(pair.real.held(holder(id)), pair.model.held(holder(id)));
          }
        }),
        { numRuns: histories },
      );
    });
  });
}
