/**
 * Patterns of well-known families of tokenizers, as their files have them: what they match is found in time linear in a text's
 * length. Others may never come to an end, and are left to a thread that can be ended.
 */
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const ENDS = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const BEFORE_WORD = String.raw`[^\r\n\p{L}\p{N}]?`;

/** GPT-2's, which is also that of ByteLevel. */
export const GPT_2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

const HARMLESS: ReadonlySet<string> = new Set([
  GPT_2,
  // cl100k, Llama 3, GLM 4
  String.raw`${CONTRACTIONS}|${BEFORE_WORD}\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|${ENDS}`,
  // Phi 4
  String.raw`${CONTRACTIONS}|${BEFORE_WORD}+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
  // Qwen 2, 2.5, 3
  String.raw`${CONTRACTIONS}|${BEFORE_WORD}\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|${ENDS}`,
  // Qwen 3.5
  String.raw`${CONTRACTIONS}|${BEFORE_WORD}[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${ENDS}`,
  // o200k, gpt-oss, Llama 4
  String.raw`${BEFORE_WORD}${UPPER}*${LOWER}+${CONTRACTIONS}?|${BEFORE_WORD}${UPPER}+${LOWER}*${CONTRACTIONS}?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${ENDS}`,
  // Tekken: Mistral Nemo and later
  String.raw`${BEFORE_WORD}${UPPER}*${LOWER}+|${BEFORE_WORD}${UPPER}+${LOWER}*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${ENDS}`,
  // DeepSeek V3, one behind the other; its line ends are written as themselves
  String.raw`\p{N}{1,3}`,
  '[一-龥\u3040-ゟ゠-ヿ]+',
  `[!"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_\`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+`,
]);

export function isHarmlessPattern(regex: string): boolean {
  return HARMLESS.has(regex);
}
