/**
 * A real BPE tokenizer (cl100k_base). Text that spells a special token becomes that token, in prompts too, as vLLM does
 * with Hugging Face tokenizers.
 */
import VOCABULARY from 'gpt-tokenizer/bpeRanks/cl100k_base';
import { encode as encodeOrdinary } from 'gpt-tokenizer/encoding/cl100k_base';

export const IM_START = '<|im_start|>';
export const IM_END = '<|im_end|>';
/** The end-of-sequence token, which ends every generated answer. */
export const END_OF_SEQUENCE = 100_265;

const SPECIAL = new Map([
  ['<|endoftext|>', 100_257],
  [IM_START, 100_264],
  [IM_END, END_OF_SEQUENCE],
]);
const SPECIAL_TEXT = new Map([...SPECIAL].map(([text, id]) => [id, text]));
const SPECIAL_PATTERN = /(<\|endoftext\|>|<\|im_start\|>|<\|im_end\|>)/;

export function encode(text: string): number[] {
  const tokens: number[] = [];
  // Split by hand: the library's own handling of special tokens misses some of them.
  for (const part of text.split(SPECIAL_PATTERN)) {
    const special = SPECIAL.get(part);
    if (special !== undefined) tokens.push(special);
    else for (const token of encodeOrdinary(part)) tokens.push(token);
  }
  return tokens;
}

/** Unknown ids become nothing; bytes that are no whole character become U+FFFD. */
export function decode(tokens: Iterable<number>): string {
  return Buffer.concat([...tokens].map(bytesOf)).toString();
}

/** Empty for unknown ids. */
// From the vocabulary itself: the library's decoder keeps the rest of a cut character for its next call.
export function bytesOf(token: number): Buffer {
  return Buffer.from(VOCABULARY[token] ?? SPECIAL_TEXT.get(token) ?? []);
}

/** Tokens in the form of byte-level BPE vocabularies: one printable character per byte, a space is `Ġ`. */
export function tokenStrings(tokens: readonly number[]): string[] {
  return tokens.map(token => SPECIAL_TEXT.get(token) ?? [...bytesOf(token)].map(byteCharacter).join(''));
}

/** GPT-2's table: printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards. */
const BYTE_CHARACTERS: readonly string[] = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

function byteCharacter(byte: number): string {
  return BYTE_CHARACTERS[byte]!;
}

/**
 * Tokens of lower-case words with a leading space. Any sequence of them survives decoding and encoding, so a generated
 * answer that comes back as history has the tokens that the cache already holds.
 */
export const WORD_TOKENS: readonly number[] = (() => {
  const words: number[] = [];
  for (let token = 1_000; token < 12_000; token++) {
    if (/^ [a-z]{3,8}$/.test(decode([token]))) words.push(token);
  }
  return words;
})();
