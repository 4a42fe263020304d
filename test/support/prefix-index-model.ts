/** A PrefixIndex compared with a map of sets through long random histories. */
import { assert } from 'chai';
import fc from 'fast-check';
import type { BlockChain } from '../../src/domain.ts';
import type { PrefixIndex } from '../../src/prefix-index/prefix-index.ts';
import { blockAt } from '../../src/prompt/blocks.ts';
import { chainOf, depthsOf, holder, slice } from './blocks.ts';

/** Block → holders. */
type Model = Map<string, Set<number>>;

const keyOf = (chain: BlockChain, position: number) => JSON.stringify(blockAt(chain, position));

abstract class Command implements fc.Command<Model, PrefixIndex> {
  check(): boolean {
    return true;
  }

  abstract run(model: Model, index: PrefixIndex): void;
  abstract toString(): string;
}

class Store extends Command {
  readonly id: number;
  readonly chain: BlockChain;
  constructor(id: number, chain: BlockChain) {
    super();
    this.id = id;
    this.chain = chain;
  }
  run(model: Model, index: PrefixIndex): void {
    index.store(holder(this.id), this.chain);
    for (let position = 0; position < this.chain.length; position++) {
      const key = keyOf(this.chain, position);
      model.set(key, (model.get(key) ?? new Set()).add(this.id));
    }
  }
  toString(): string {
    return `store(${this.id}, ${this.chain.lanes})`;
  }
}

class Remove extends Command {
  readonly id: number;
  readonly chain: BlockChain;
  readonly position: number;
  constructor(id: number, chain: BlockChain, position: number) {
    super();
    this.id = id;
    this.chain = chain;
    this.position = position;
  }
  run(model: Model, index: PrefixIndex): void {
    index.remove(holder(this.id), blockAt(this.chain, this.position));
    const key = keyOf(this.chain, this.position);
    model.get(key)?.delete(this.id);
    if (model.get(key)?.size === 0) model.delete(key);
  }
  toString(): string {
    return `remove(${this.id}, ${keyOf(this.chain, this.position)})`;
  }
}

class Clear extends Command {
  readonly id: number;
  constructor(id: number) {
    super();
    this.id = id;
  }
  run(model: Model, index: PrefixIndex): void {
    index.clear(holder(this.id));
    for (const [key, holders] of model) {
      if (holders.delete(this.id) && holders.size === 0) model.delete(key);
    }
  }
  toString(): string {
    return `clear(${this.id})`;
  }
}

class Match extends Command {
  readonly chain: BlockChain;
  constructor(chain: BlockChain) {
    super();
    this.chain = chain;
  }
  run(model: Model, index: PrefixIndex): void {
    const expected = new Map<number, number>();
    for (let id = 0; id < HOLDERS; id++) {
      let depth = 0;
      while (depth < this.chain.length && model.get(keyOf(this.chain, depth))?.has(id)) depth++;
      if (depth > 0) expected.set(id, depth);
    }
    const byHolder = (depths: Map<number, number>) => [...depths].sort(([a], [b]) => a - b);
    assert.deepEqual(byHolder(depthsOf(index.match(this.chain))), byHolder(expected));
    let entries = 0;
    for (const holders of model.values()) entries += holders.size;
    assert.deepEqual(index.size(), { blocks: model.size, entries });
  }
  toString(): string {
    return `match(${this.chain.lanes})`;
  }
}

const HOLDERS = 4;
const id = fc.nat({ max: HOLDERS - 1 });
/** Few tokens and a short alphabet, so that chains share prefixes. */
const chain = fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 8 }).map(tokens => chainOf(tokens));
const part = fc
  .tuple(chain, fc.nat({ max: 4 }))
  .map(([whole, start]) => slice(whole, Math.min(start, whole.length - 1)));

export function describePrefixIndexModel(name: string, make: (capacityEntries: number) => PrefixIndex): void {
  describe(`a prefix index (${name}), after any history`, () => {
    it('holds what a map of sets holds', function () {
      this.timeout(20_000);
      const commands = [
        fc.tuple(id, fc.oneof(chain, chain, part)).map(([by, of]) => new Store(by, of)),
        fc.tuple(id, chain, fc.nat()).map(([by, of, position]) => new Remove(by, of, position % of.length)),
        fc.tuple(id, chain).map(([by, of]) => new Remove(by, of, of.length - 1)),
        id.map(by => new Clear(by)),
        chain.map(of => new Match(of)),
        chain.map(of => new Match(of)),
      ];
      fc.assert(
        fc.property(fc.commands(commands, { size: 'max', maxCommands: 300 }), history => {
          fc.modelRun(() => ({ model: new Map(), real: make(100_000) }), history);
        }),
        { numRuns: 60 },
      );
    });
  });
}
