/**
 * Token ids of prompts' beginnings, so that a conversation's next turn costs its last messages. A rendered prompt is cut behind special
 * tokens: what follows one is tokenized by itself, and gives the same ids whatever stands before (checked when a tokenizer is
 * loaded). The segments are kept in a tree in which prompts with equal beginnings share their nodes. Texts are compared
 * whole, not by hashes.
 *
 * All trees share one bound in bytes; what was used longest ago is evicted, a node before its parent.
 */
import type { KeptChains } from '../../domain.ts';
import { PromptChains, pathTo } from './prompt-chains.ts';
import { ownText, SegmentNode } from './segment-node.ts';

/** Where a prompt may be cut. */
export interface Splitter {
  /** The index behind the first boundary at or after `from`; -1: there is none. */
  endOfBoundary(text: string, from: number): number;
}

/** Ids of each text. */
export type EncodeTexts = (texts: readonly string[]) => Promise<readonly Uint32Array[]>;

export interface Encoded {
  readonly ids: Uint32Array;
  /** Characters that had to be tokenized. */
  readonly newCharacters: number;
  readonly chains: KeptChains;
}

/** What is kept of all tokenizers' segments. */
export class SegmentCache {
  readonly #maxBytes: number;
  /** Nodes, the one that was used longest ago first: a node always before its parent. */
  readonly #byUse = new Set<SegmentNode>();
  #bytes = 0;

  /** @param maxBytes of texts, ids and hashes; 0 keeps nothing */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What is kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  tree(splitter: Splitter, encode: EncodeTexts): SegmentTree {
    return new SegmentTree(this, splitter, encode);
  }

  /** For trees: a node is new. Its parent is kept. */
  add(node: SegmentNode): void {
    node.isKept = true;
    this.#byUse.add(node);
    this.#bytes += node.bytes;
  }

  /** For trees: this node and those above it were used. */
  use(node: SegmentNode): void {
    for (let each = node; each.parent !== undefined; each = each.parent) {
      if (!each.isKept) continue;
      this.#byUse.delete(each);
      this.#byUse.add(each);
    }
  }

  /** For trees: a node is replaced, or its tree is gone. */
  remove(node: SegmentNode): void {
    if (!this.#byUse.delete(node)) return;
    node.isKept = false;
    this.#bytes -= node.bytes;
  }

  /** For trees: evicts what is too much. */
  trim(): void {
    for (const node of this.#byUse) {
      if (this.#bytes <= this.#maxBytes) return;
      node.parent!.children.delete(node.firstSegment);
      this.remove(node);
    }
  }
}

/** The segments of one tokenizer. */
export class SegmentTree {
  readonly #cache: SegmentCache;
  readonly #splitter: Splitter;
  readonly #encode: EncodeTexts;
  readonly #root = new SegmentNode(undefined, EMPTY);
  /** First segments that are being tokenized, with all that follows them, by the node that they follow. */
  readonly #underWay = new Map<SegmentNode, Map<string, Promise<unknown>>>();

  constructor(cache: SegmentCache, splitter: Splitter, encode: EncodeTexts) {
    this.#cache = cache;
    this.#splitter = splitter;
    this.#encode = encode;
  }

  /**
   * The ids of `text`. What another prompt that begins alike is being tokenized for is waited for and shared. Rejects with what
   * `encode` rejects with.
   */
  async encode(text: string): Promise<Encoded> {
    for (;;) {
      const known = this.#walk(text);
      if (known.at === text.length) return this.#encoded(known.node, 0);
      const first = text.slice(known.at, this.#endOfSegment(text, known.at));
      const other = this.#underWay.get(known.node)?.get(first);
      if (other === undefined) return this.#tokenize(text, known, first);
      // Where it fails, this prompt is tokenized for itself.
      await other.catch(() => {});
    }
  }

  /** Forgets everything. */
  clear(): void {
    const forget = (node: SegmentNode) => {
      for (const child of node.children.values()) forget(child);
      this.#cache.remove(node);
      node.children.clear();
    };
    forget(this.#root);
  }

  async #tokenize(text: string, { node, at }: Known, first: string): Promise<Encoded> {
    const ends: number[] = [];
    const texts: string[] = [];
    for (let from = at; from < text.length; from = ends.at(-1)! + at) {
      const end = this.#endOfSegment(text, from);
      ends.push(end - at);
      texts.push(text.slice(from, end));
    }
    const underWay = this.#underWay.get(node) ?? new Map<string, Promise<unknown>>();
    const call = this.#encode(texts);
    this.#underWay.set(node, underWay.set(first, call));
    try {
      const lists = await call;
      const tokenEnds = new Uint32Array(lists.length);
      let sum = 0;
      lists.forEach((ids, i) => {
        tokenEnds[i] = sum += ids.length;
      });
      const content = {
        text: ownText(text.slice(at)),
        ...{ ends: Uint32Array.from(ends), tokenEnds, ids: joined(lists, sum) },
        end: this.#splitter.endOfBoundary(text, at + (ends.at(-2) ?? 0)) < 0 ? 'open' : 'closed',
      } as const;
      return this.#encoded(this.#keep(node, content, first), text.length - at);
    } finally {
      underWay.delete(first);
      if (underWay.size === 0) this.#underWay.delete(node);
    }
  }

  /** A node for what is new. It hangs in the tree where its parent still does. */
  #keep(parent: SegmentNode, content: SegmentNode['content'], first: string): SegmentNode {
    const node = new SegmentNode(parent, content);
    node.isKept = false;
    if (!parent.isKept || parent.children.has(first)) return node;
    parent.children.set(node.firstSegment, node);
    this.#cache.add(node);
    return node;
  }

  #encoded(node: SegmentNode, newCharacters: number): Encoded {
    this.#cache.use(node);
    const ids = new Uint32Array(node.endTokens);
    for (const each of pathTo(node)) ids.set(each.content.ids, each.startTokens);
    this.#cache.trim();
    return { ids, newCharacters, chains: new PromptChains(node) };
  }

  /** As far as `text` is known: up to the end of a segment. */
  #walk(text: string): Known {
    let node = this.#root;
    let at = 0;
    while (at < text.length) {
      const child = node.children.get(text.slice(at, this.#endOfSegment(text, at)));
      if (child === undefined) break;
      const segments = child.segmentsIn(text, at);
      at += child.content.ends[segments - 1]!;
      if (segments === child.content.ends.length) {
        node = child;
        continue;
      }
      node = this.#split(child, segments);
      break;
    }
    return { node, at };
  }

  /** Returns the node above. */
  #split(node: SegmentNode, segments: number): SegmentNode {
    this.#cache.remove(node);
    const upper = node.splitOff(segments);
    upper.children.set(node.firstSegment, node);
    upper.parent!.children.set(upper.firstSegment, upper);
    this.#cache.add(node);
    this.#cache.add(upper);
    this.#cache.use(node);
    this.#cache.trim();
    return upper;
  }

  #endOfSegment(text: string, from: number): number {
    const end = this.#splitter.endOfBoundary(text, from);
    return end < 0 ? text.length : end;
  }
}

/** How much of a text is known, and the node that ends there. */
interface Known {
  readonly node: SegmentNode;
  readonly at: number;
}

const EMPTY = {
  ...{ text: '', ends: new Uint32Array(0), tokenEnds: new Uint32Array(0), ids: new Uint32Array(0) },
  end: 'closed',
} as const;

function joined(lists: readonly Uint32Array[], length: number): Uint32Array {
  const all = new Uint32Array(length);
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}
