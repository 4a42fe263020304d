/**
 * Tokens without an engine: for the prefix index that is fed by routing history only. Their ids mean nothing to an
 * engine, which is why they have token spaces of their own.
 */
import type { PromptRequest } from './request.ts';
import { promptText } from './request.ts';
import type { Tokenizer } from './tokenizer.ts';

export type LocalTokenizerKind = 'character' | 'tiktoken';

/** More than tokens have on average in any language that cl100k_base was made for. */
const CHARACTERS_PER_TOKEN = 8;

type Encode = (text: string) => Uint32Array;

/**
 * - `character`: every UTF-8 byte of the text is a token;
 * - `tiktoken`: OpenAI's cl100k_base. Its table of 100,000 merges (some 40 MB once read) is loaded with the first prompt.
 *
 * Encoding runs on the thread that serves everyone, so only the start of a long text is encoded: enough for `maxTokens`
 * tokens of ordinary text. Two texts that agree that far get the same tokens.
 *
 * Prompts of token ids keep their ids. Text that looks like a special token (`<|endoftext|>`) is encoded as text.
 */
export function createLocalTokenizer(
  kind: LocalTokenizerKind,
  maxTokens = Number.POSITIVE_INFINITY,
): Tokenizer {
  const maxLength = kind === 'character' ? maxTokens : maxTokens * CHARACTERS_PER_TOKEN;
  let encode: Promise<Encode> | undefined;
  return {
    async tokenize(prompt: PromptRequest) {
      const { content } = prompt;
      if (content.kind === 'none') throw new TypeError('a request without a prompt has no tokens');
      if (content.kind === 'tokens') return { space: kind, ids: content.ids };
      encode ??= kind === 'character' ? Promise.resolve(encodeBytes) : loadTiktoken();
      return { space: kind, ids: (await encode)(promptText(prompt).slice(0, maxLength)) };
    },
    async close() {},
  };
}

function encodeBytes(text: string): Uint32Array {
  return Uint32Array.from(Buffer.from(text, 'utf8'));
}

async function loadTiktoken(): Promise<Encode> {
  const { encode, setMergeCacheSize } = await import('gpt-tokenizer/encoding/cl100k_base');
  // Of merged words; a client who sends the longest ones possible fills 2 KB with each.
  setMergeCacheSize(10_000);
  // Without this, a special token's name in a prompt would be an error.
  const asText = { disallowedSpecial: new Set<string>() };
  return text => {
    const pieces = cutLongRuns(text);
    if (pieces.length === 1) return Uint32Array.from(encode(text, asText));
    return Uint32Array.from(pieces.flatMap(piece => encode(piece, asText)));
  };
}

/**
 * Runs of letters, of white space or of other signs of more than 256 characters. The lookbehinds let a match start only
 * where a run does, which keeps the search linear.
 */
const LONG_RUN = /(?<!\p{L})\p{L}{257,}|(?<!\s)\s{257,}|(?<![^\s\p{L}\p{N}])[^\s\p{L}\p{N}]{257,}/gu;

/**
 * Merging takes time in the square of such a run's length (20 s for 200,000 letters), on the thread that serves everyone.
 * Cutting it changes tokens inside the run only, and those of a prefix stay the same whatever follows.
 */
function cutLongRuns(text: string): string[] {
  const pieces: string[] = [];
  let start = 0;
  for (const { 0: run, index } of text.matchAll(LONG_RUN)) {
    for (let at = index; at < index + run.length; ) {
      let end = Math.min(at + 256, index + run.length);
      if (isLowSurrogate(text, end)) end--;
      pieces.push(text.slice(start, end));
      start = end;
      at = end;
    }
  }
  pieces.push(text.slice(start));
  return pieces;
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}
