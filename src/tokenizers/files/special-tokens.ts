/**
 * Which special tokens a chat template sees, by their names: `special_tokens_map` of transformers 5
 * (`tokenization_utils_base.py`: `_from_pretrained`, `__init__`).
 */
import { InvalidFile, isMap, type JsonMap } from './file-texts.ts';
import { TOKENIZER_CONFIG } from './tokenizer-files.ts';

const STANDARD: ReadonlySet<string> = new Set([
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
]);

/** @param legacy special_tokens_map.json, which counts only where the configuration does not list the added tokens */
export function specialTokens(config: JsonMap, legacy: JsonMap): Record<string, string> {
  const said: JsonMap = Object.hasOwn(config, 'added_tokens_decoder') ? config : { ...config, ...legacy };
  const tokens = new Map<string, string>();
  for (const [name, value] of Object.entries(said)) {
    if (!name.endsWith('_token')) continue;
    const text = textOf(value);
    if (text !== undefined) tokens.set(name, text);
    else if (STANDARD.has(name) && value !== null)
      throw new InvalidFile(TOKENIZER_CONFIG, `says of ${name} neither a text nor a token`);
  }
  for (const more of [said.extra_special_tokens, said.model_specific_special_tokens]) {
    if (!isMap(more)) continue;
    for (const [name, value] of Object.entries(more)) {
      const text = textOf(value);
      if (text !== undefined) tokens.set(name, text);
    }
  }
  return Object.fromEntries(tokens);
}

/** A token is a text, or an object with its text in `content`. */
function textOf(value: unknown): string | undefined {
  const text = isMap(value) ? value.content : value;
  return typeof text === 'string' ? text : undefined;
}
