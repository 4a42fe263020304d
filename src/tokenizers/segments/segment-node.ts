/**
 * One node of the tree of tokenized segments: consecutive segments of rendered prompts, their token ids, and the hashes of the blocks
 * that end in them. Where prompts part within it, it is split: its first segments become a node of their own above it.
 */
import type { BlockLanes } from '../../domain.ts';
import type { ChunkedText } from '../chunked-text.ts';

/** Of a node, its map, its list entry, its arrays' headers. */
const NODE_OVERHEAD_BYTES = 600;
/** Of one segment: where it ends, twice. */
const SEGMENT_BYTES = 8;
/** Chains that are kept of one node: contexts differ by cache salt, adapter and block size. */
const MAX_CHAINS = 2;
const LATIN1_ONLY = /^[\0-\xff]*$/;

/** What a kept chain begins with. */
export interface ChainKey {
  readonly hi: number;
  readonly lo: number;
  readonly blockSizeTokens: number;
}

interface KeptLanes extends ChainKey {
  readonly lanes: BlockLanes;
}

export interface NodeContent {
  readonly text: string;
  /** Where each segment ends in `text`; the last one is the text's length. */
  readonly ends: Uint32Array;
  /** How many of `ids` belong to the segments up to each. */
  readonly tokenEnds: Uint32Array;
  readonly ids: Uint32Array;
  /** `open`: no boundary stands behind the last segment, which is one only where a prompt ends there. */
  readonly end: 'closed' | 'open';
}

export class SegmentNode {
  parent: SegmentNode | undefined;
  /** Tokens before this node's own, from the prompt's start. */
  startTokens: number;
  /** By the whole text of their first segment. */
  readonly children = new Map<string, SegmentNode>();
  /** Whether it is in the tree. */
  isKept = true;
  content: NodeContent;
  bytes: number;
  #chains: KeptLanes[] = [];

  constructor(parent: SegmentNode | undefined, content: NodeContent) {
    this.parent = parent;
    this.content = content;
    this.startTokens = parent === undefined ? 0 : parent.endTokens;
    this.bytes = bytesOf(content);
  }

  get endTokens(): number {
    return this.startTokens + this.content.ids.length;
  }

  get firstSegment(): string {
    return this.content.text.slice(0, this.content.ends[0]);
  }

  /** How many of its segments `text` continues with at `at`. The first one is known to be there. */
  segmentsIn(text: ChunkedText, at: number): number {
    const { text: own, ends, end } = this.content;
    if (text.hasAt(own, at) && (end === 'closed' || at + own.length === text.length)) return ends.length;
    const comparable = end === 'closed' ? ends.length : ends.length - 1;
    let known = 1;
    for (; known < comparable; known++) {
      const from = ends[known - 1]!;
      if (!text.hasAt(own.slice(from, ends[known]), at + from)) break;
    }
    return known;
  }

  /** The hashes of the blocks that end in this node, or of the first ones of these. */
  lanesOf({ hi, lo, blockSizeTokens }: ChainKey): BlockLanes | undefined {
    return this.#chains.find(
      each => each.hi === hi && each.lo === lo && each.blockSizeTokens === blockSizeTokens,
    )?.lanes;
  }

  keepLanes({ hi, lo, blockSizeTokens }: ChainKey, lanes: BlockLanes): void {
    const others = this.#chains.filter(
      each => each.hi !== hi || each.lo !== lo || each.blockSizeTokens !== blockSizeTokens,
    );
    this.#chains = [{ hi, lo, blockSizeTokens, lanes }, ...others.slice(0, MAX_CHAINS - 1)];
  }

  /** This node and its only child as one. */
  joinedWith(child: SegmentNode): SegmentNode {
    const [a, b] = [this.content, child.content];
    const joined = new SegmentNode(this.parent, {
      text: ownText(a.text + b.text),
      ends: concatenated(a.ends, b.ends, a.text.length),
      tokenEnds: concatenated(a.tokenEnds, b.tokenEnds, a.ids.length),
      ids: concatenated(a.ids, b.ids, 0),
      end: b.end,
    });
    for (const { lanes, ...key } of this.#chains.toReversed()) {
      const isWhole = lanes.length === 2 * blocksEndingIn(this, key.blockSizeTokens);
      const further = isWhole ? child.lanesOf(key) : undefined;
      joined.keepLanes(key, further === undefined ? lanes : (concatenated(lanes, further, 0) as BlockLanes));
    }
    return joined;
  }

  /** Leaves the first `segments` to a new node, which is returned: between this one and what was its parent. */
  splitOff(segments: number): SegmentNode {
    const { text, ends, tokenEnds, ids, end } = this.content;
    const at = ends[segments - 1]!;
    const tokens = tokenEnds[segments - 1]!;
    const upper = new SegmentNode(this.parent, {
      text: text.slice(0, at),
      ends: ends.slice(0, segments),
      tokenEnds: tokenEnds.slice(0, segments),
      ids: ids.slice(0, tokens),
      end: 'closed',
    });
    this.parent = upper;
    this.startTokens = upper.endTokens;
    this.content = {
      text: text.slice(at),
      ends: ends.slice(segments).map(end => end - at),
      tokenEnds: tokenEnds.slice(segments).map(end => end - tokens),
      ids: ids.slice(tokens),
      end,
    };
    this.bytes = bytesOf(this.content);
    const chains = this.#chains.toReversed();
    this.#chains = [];
    for (const { lanes, ...key } of chains) {
      const blocks = blocksEndingIn(upper, key.blockSizeTokens);
      upper.keepLanes(key, lanes.slice(0, 2 * blocks) as BlockLanes);
      this.keepLanes(key, lanes.slice(2 * blocks) as BlockLanes);
    }
    return upper;
  }
}

function concatenated(first: Uint32Array, second: Uint32Array, added: number): Uint32Array {
  const all = new Uint32Array(first.length + second.length);
  all.set(first);
  if (added === 0) all.set(second, first.length);
  else for (let i = 0; i < second.length; i++) all[first.length + i] = second[i]! + added;
  return all;
}

/** How many full blocks of the prompt have their last token in this node. */
export function blocksEndingIn({ startTokens, endTokens }: SegmentNode, blockSizeTokens: number): number {
  return Math.floor(endTokens / blockSizeTokens) - Math.floor(startTokens / blockSizeTokens);
}

/** With room for the hashes of one chain, of the blocks that engines usually have. */
function bytesOf({ text, ends, ids }: NodeContent): number {
  const perCharacter = LATIN1_ONLY.test(text) ? 1 : 2;
  return (
    NODE_OVERHEAD_BYTES +
    text.length * perCharacter +
    ends.length * SEGMENT_BYTES +
    ids.byteLength +
    ids.byteLength / 8
  );
}

/** The same text by itself: a part of another string would keep all of that in memory. */
export function ownText(text: string): string {
  const encoding = LATIN1_ONLY.test(text) ? 'latin1' : 'utf16le';
  return Buffer.from(text, encoding).toString(encoding);
}
