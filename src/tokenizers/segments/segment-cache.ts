/**
 * Token ids of prompts' beginnings, so that a conversation's next turn costs its last messages. A rendered prompt is cut behind special
 * tokens: what follows one is tokenized by itself, and gives the same ids whatever stands before (checked when a tokenizer is
 * loaded). The segments are kept in a tree in which prompts with equal beginnings share their nodes. Texts are compared
 * whole, not by hashes.
 *
 * All trees share one bound in bytes; what was used longest ago is evicted, a node before its parent.
 */
import { LRUCache } from 'lru-cache';
import type { KeptChains } from '../../domain.ts';
import type { ChunkedText } from '../chunked-text.ts';
import { PromptChains, pathTo } from './prompt-chains.ts';
import { ownText, SegmentNode } from './segment-node.ts';

/** Where a prompt may be cut. */
export interface Splitter {
  /** The index behind the first boundary at or after `from`, which is one whatever follows; -1: there is none. */
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

/** The segments of `text`; the last one ends where the text does. */
export function segmentsIn(text: string, splitter: Splitter): string[] {
  const texts: string[] = [];
  for (let from = 0; from < text.length; ) {
    const end = splitter.endOfBoundary(text, from);
    texts.push(end < 0 ? text.slice(from) : text.slice(from, end));
    from = end < 0 ? text.length : end;
  }
  return texts;
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
  /** Ids of short ends behind the last boundary: most prompts have one of a few, as what begins an answer. */
  readonly #tails = new LRUCache<string, Uint32Array>({ max: MAX_TAILS });

  constructor(cache: SegmentCache, splitter: Splitter, encode: EncodeTexts) {
    this.#cache = cache;
    this.#splitter = splitter;
    this.#encode = encode;
  }

  /**
   * The ids of `text`. What another prompt that begins alike is being tokenized for is waited for and shared. Rejects with what
   * `encode` rejects with.
   */
  async encode(text: ChunkedText): Promise<Encoded> {
    for (;;) {
      const { node, at } = this.#walk(text);
      if (at === text.length) return this.#encoded(node, NO_IDS, 0);
      const rest = text.slice(at);
      const end = this.#splitter.endOfBoundary(rest, 0);
      const first = end < 0 ? rest : rest.slice(0, end);
      if (first === rest && isShort(rest)) {
        const ids = this.#tails.get(rest);
        if (ids !== undefined) return this.#encoded(node, ids, 0);
      }
      const other = this.#underWay.get(node)?.get(first);
      if (other === undefined) return this.#tokenize(rest, node, first);
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
    this.#tails.clear();
  }

  /** @param text what is new, behind `node` */
  async #tokenize(text: string, node: SegmentNode, first: string): Promise<Encoded> {
    const texts = segmentsIn(text, this.#splitter);
    const end = this.#isClosed(text, texts.at(-1)!) ? 'closed' : 'open';
    const underWay = this.#underWay.get(node) ?? new Map<string, Promise<unknown>>();
    const call = this.#encode(texts);
    this.#underWay.set(node, underWay.set(first, call));
    let lists: readonly Uint32Array[];
    try {
      lists = await call;
    } finally {
      underWay.delete(first);
      if (underWay.size === 0) this.#underWay.delete(node);
    }
    const newCharacters = text.length;
    const last = texts.at(-1)!;
    if (end === 'closed' || !isShort(last))
      return this.#encoded(this.#keep(node, texts, lists, end), NO_IDS, newCharacters);
    const tail = lists.at(-1)!.slice();
    this.#tails.set(ownText(last), tail);
    const kept = texts.length === 1 ? node : this.#keep(node, texts.slice(0, -1), lists, 'closed');
    return this.#encoded(kept, tail, newCharacters);
  }

  /** A node for what is new. It hangs in the tree where its parent still does. */
  #keep(
    parent: SegmentNode,
    texts: readonly string[],
    lists: readonly Uint32Array[],
    end: SegmentNode['content']['end'],
  ): SegmentNode {
    const node = new SegmentNode(parent, contentOf(texts, lists, end));
    node.isKept = false;
    const first = texts[0]!;
    if (!parent.isKept || parent.children.has(first)) return node;
    parent.children.set(node.firstSegment, node);
    this.#cache.add(node);
    return this.#compacted(node);
  }

  /**
   * Makes one node of a node and its parent that has no other child, unless the parent is much longer: so a conversation of many turns
   * has a few nodes, and each of its parts is copied a few times.
   */
  #compacted(node: SegmentNode): SegmentNode {
    let whole = node;
    for (let { parent } = whole; parent?.parent !== undefined; { parent } = whole) {
      const isMuchLonger = parent.content.text.length > MUCH_LONGER * whole.content.text.length;
      if (isMuchLonger || parent.children.size > 1 || this.#underWay.has(parent)) break;
      const joined = parent.joinedWith(whole);
      parent.parent.children.set(joined.firstSegment, joined);
      this.#cache.remove(parent);
      this.#cache.remove(whole);
      this.#cache.add(joined);
      whole = joined;
    }
    return whole;
  }

  #encoded(node: SegmentNode, tail: Uint32Array, newCharacters: number): Encoded {
    this.#cache.use(node);
    const ids = new Uint32Array(node.endTokens + tail.length);
    for (const each of pathTo(node)) ids.set(each.content.ids, each.startTokens);
    ids.set(tail, node.endTokens);
    this.#cache.trim();
    return { ids, newCharacters, chains: new PromptChains(node) };
  }

  /** As far as `text` is known: up to the end of a segment. A short end is looked for elsewhere. */
  #walk(text: ChunkedText): Known {
    let node = this.#root;
    let at = 0;
    while (at < text.length) {
      const child = node.children.get(this.#segmentAt(text, at));
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

  #isClosed(text: string, last: string): boolean {
    return this.#splitter.endOfBoundary(text, text.length - last.length) >= 0;
  }

  #segmentAt(text: ChunkedText, at: number): string {
    for (let size = SEARCHED_CHARACTERS; ; size *= 2) {
      const part = text.slice(at, at + size);
      // A cut stays one whatever follows.
      const end = this.#splitter.endOfBoundary(part, 0);
      if (end >= 0) return part.slice(0, end);
      if (part.length < size) return part;
    }
  }
}

/** How much of a text is known, and the node that ends there. */
interface Known {
  readonly node: SegmentNode;
  readonly at: number;
}

const NO_IDS = new Uint32Array(0);
const EMPTY = {
  ...{ text: '', ends: new Uint32Array(0), tokenEnds: new Uint32Array(0), ids: NO_IDS },
  end: 'closed',
} as const;

/** Ends that are kept by themselves, and how long they may be, in characters. */
const MAX_TAILS = 256;
const SHORT_CHARACTERS = 128;
const MUCH_LONGER = 2;
/** Where the end of a segment is looked for first. */
const SEARCHED_CHARACTERS = 1024;

function isShort(text: string): boolean {
  return text.length <= SHORT_CHARACTERS;
}

/** Of these segments and the ids of each. */
function contentOf(
  texts: readonly string[],
  lists: readonly Uint32Array[],
  end: SegmentNode['content']['end'],
): SegmentNode['content'] {
  const ends = new Uint32Array(texts.length);
  const tokenEnds = new Uint32Array(texts.length);
  let [characters, tokens] = [0, 0];
  for (let i = 0; i < texts.length; i++) {
    ends[i] = characters += texts[i]!.length;
    tokenEnds[i] = tokens += lists[i]!.length;
  }
  const ids = new Uint32Array(tokens);
  for (let i = 0; i < texts.length; i++) ids.set(lists[i]!, tokenEnds[i]! - lists[i]!.length);
  return { text: ownText(texts.join('')), ends, tokenEnds, ids, end };
}
