/** The usual design: a tree with a node per block, each with a set of holders, and a map from engine hash to node per holder. */
import type { BlockChain, EngineHash, HolderId, Matches } from '../../src/domain.ts';
import type { Announcement, IndexSize, Place } from '../../src/prefix-index/prefix-index.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import type { BenchFound, BenchIndex } from './bench-index.ts';
import { keyOf } from './map-of-sets.ts';

class Node {
  readonly children = new Map<number, Node>();
  readonly holders = new Set<HolderId>();
  readonly key: number;
  readonly parent: Node | undefined;

  constructor(key: number, parent: Node | undefined) {
    this.key = key;
    this.parent = parent;
  }
}

export class RadixTree implements BenchIndex {
  readonly #root = new Node(0, undefined);
  readonly #nodes = new Map<HolderId, Map<number, Node>>();
  /** By place, where one was asked for. */
  readonly #places: Node[] = [this.#root];
  #blocks = 0;
  #entries = 0;

  find({ lanes, length }: BlockChain): BenchFound {
    const depths = new Map<HolderId, number>();
    let standing: ReadonlySet<HolderId> = new Set();
    for (let node = this.#root, depth = 0; ; depth++) {
      const child =
        depth < length ? node.children.get(keyOf(lanes[2 * depth]!, lanes[2 * depth + 1]!)) : undefined;
      const next = child?.holders;
      if (next === undefined || next.size < standing.size) {
        for (const holder of standing) if (!next?.has(holder)) depths.set(holder, depth);
      }
      if (child === undefined) break;
      standing = child.holders;
      node = child;
    }
    const layers = (): Matches => [...depths].map(([holder, depth]) => ({ depth, holders: [holder] }));
    return {
      extents: depths.size,
      depthOf: holder => depths.get(holder) ?? 0,
      forEachLayer(callback) {
        for (const [holder, depth] of depths) callback(depth, Uint32Array.of(holder), 0, 1);
      },
      layers,
    };
  }

  locate(holder: HolderId, { hi, lo }: EngineHash): Place | undefined {
    const node = this.#nodes.get(holder)?.get(keyOf(hi, lo));
    return node && ((this.#places.push(node) - 1) as Place);
  }

  store(holder: HolderId, { lanes, length }: BlockChain, { after, engineHashes }: Announcement): number {
    const nodes = this.#nodes.get(holder) ?? new Map<number, Node>();
    this.#nodes.set(holder, nodes);
    let node = this.#places[after === START ? 0 : after]!;
    this.#places.length = 1;
    for (let i = 0; i < length; i++) {
      const key = keyOf(lanes[2 * i]!, lanes[2 * i + 1]!);
      let child = node.children.get(key);
      if (child === undefined) {
        child = new Node(key, node);
        node.children.set(key, child);
        this.#blocks++;
      }
      node = child;
      if (!node.holders.has(holder)) this.#entries++;
      node.holders.add(holder);
      nodes.set(keyOf(engineHashes![2 * i]!, engineHashes![2 * i + 1]!), node);
    }
    return length;
  }

  remove(holder: HolderId, { hi, lo }: EngineHash): readonly Place[] {
    const nodes = this.#nodes.get(holder);
    let node = nodes?.get(keyOf(hi, lo));
    if (nodes === undefined || node === undefined) return [];
    nodes.delete(keyOf(hi, lo));
    node.holders.delete(holder);
    this.#entries--;
    while (node.parent !== undefined && node.holders.size === 0 && node.children.size === 0) {
      node.parent.children.delete(node.key);
      this.#blocks--;
      node = node.parent;
    }
    return [START];
  }

  size(): IndexSize {
    return { blocks: this.#blocks, entries: this.#entries };
  }
}
