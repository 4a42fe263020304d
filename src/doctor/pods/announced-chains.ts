/** The tokens that a rank announces, put together again from its events: to be compared with a prompt's own. */
import { type EngineHash, hashAt, type StoredEvent } from '../../events/decoding/decoding.ts';

/** Where a prompt and what was announced of it part; undefined: nowhere. */
export interface Parting {
  /** The first token that differs. */
  readonly at: number;
  readonly ours: number;
  readonly theirs: number | undefined;
}

/** Blocks that are remembered, and ends of chains that are compared: the prompt that is looked for is sent last. */
const MAX_BLOCKS = 8_192;
const MAX_COMPARED = 64;
/** So many tokens in a row, of words chosen at random, are no accident. */
const WINDOW = 12;

interface Announced {
  /** undefined: the first one of its prompt. */
  readonly before: Announced | undefined;
  readonly tokens: Uint32Array;
  isEnd: boolean;
}

export class AnnouncedChains {
  /** By the engine's hash. */
  readonly #blocks = new Map<string, Announced>();

  /** Blocks whose beginning was not heard are left out. */
  add({ hashes, parent, tokenIds, blockSizeTokens }: StoredEvent): void {
    let before = parent && this.#blocks.get(keyOf(parent));
    if (hashes.length === 0 || (parent !== undefined && before === undefined)) return;
    // Of hybrid models there may be fewer hashes than blocks.
    const isEach = hashes.length * blockSizeTokens === tokenIds.length;
    for (let i = 0; i < (isEach ? hashes.length : 1); i++) {
      const tokens = isEach
        ? tokenIds.slice(i * blockSizeTokens, (i + 1) * blockSizeTokens)
        : tokenIds.slice();
      if (before !== undefined) before.isEnd = false;
      const block: Announced = { before, tokens, isEnd: true };
      this.#blocks.set(keyOf(hashAt(hashes, isEach ? i : hashes.length - 1)), block);
      before = block;
    }
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= MAX_BLOCKS) return;
      this.#blocks.delete(oldest);
    }
  }

  /**
   * Compares with what was announced of this prompt.
   * @returns `unannounced`: no chain has any part of it
   */
  compare(ids: Uint32Array): Parting | undefined | 'unannounced' {
    const windows = windowsOf(ids);
    const ends = [...this.#blocks.values()].filter(({ isEnd }) => isEnd).slice(-MAX_COMPARED);
    for (const end of ends.reverse()) {
      const tokens = tokensUntil(end);
      if (![...windowsOf(tokens)].some(window => windows.has(window))) continue;
      const until = Math.min(tokens.length, ids.length);
      for (let at = 0; at < until; at++) {
        if (tokens[at] !== ids[at]) return { at, ours: ids[at]!, theirs: tokens[at] };
      }
      return undefined;
    }
    return 'unannounced';
  }
}

function tokensUntil(end: Announced): Uint32Array {
  const parts: Uint32Array[] = [];
  for (let block: Announced | undefined = end; block !== undefined; block = block.before)
    parts.push(block.tokens);
  return Uint32Array.from(parts.reverse().flatMap(part => [...part]));
}

function windowsOf(tokens: Uint32Array): Set<string> {
  const windows = new Set<string>();
  for (let at = 0; at + WINDOW <= tokens.length; at++) windows.add(tokens.subarray(at, at + WINDOW).join());
  return windows;
}

function keyOf({ hi, lo }: EngineHash): string {
  return `${hi}:${lo}`;
}
