/** What tokenizer files say, as transformers 5 and vLLM 0.32 read them. Pure. */
import { chatRendering } from './chat-rendering.ts';
import { type FileTexts, InvalidFile, isMap, type JsonMap } from './file-texts.ts';
import { specialTokens } from './special-tokens.ts';
import {
  type ChatRendering,
  MODEL_CONFIG,
  PROCESSOR_TEMPLATE,
  SPECIAL_TOKENS_MAP,
  TOKENIZER_CONFIG,
} from './tokenizer-files.ts';

export type ParsedFiles =
  | {
      readonly kind: 'parsed';
      readonly chat: ChatRendering;
      readonly specialTokens: Readonly<Record<string, string>>;
    }
  /** `reason` goes on after the file's name. */
  | { readonly kind: 'invalid'; readonly file: string; readonly reason: string };

export function parseFiles({ texts, hasMistralFile, hasMoreTemplates }: FileTexts): ParsedFiles {
  try {
    const tokenizerConfig = mapIn(texts, TOKENIZER_CONFIG) ?? {};
    const chat = chatRendering({
      tokenizerConfig,
      modelConfig: mapIn(texts, MODEL_CONFIG) ?? {},
      processorTemplate: mapIn(texts, PROCESSOR_TEMPLATE),
      ...{ texts, hasMistralFile, hasMoreTemplates },
    });
    const tokens = specialTokens(tokenizerConfig, mapIn(texts, SPECIAL_TOKENS_MAP) ?? {});
    return { kind: 'parsed', chat, specialTokens: tokens };
  } catch (error) {
    if (!(error instanceof InvalidFile)) throw error;
    return { kind: 'invalid', file: error.file, reason: error.message };
  }
}

function mapIn(texts: FileTexts['texts'], file: string): JsonMap | undefined {
  const text = texts[file];
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the parser says quotes the file.
    throw new InvalidFile(file, 'is not valid JSON');
  }
  if (!isMap(value)) throw new InvalidFile(file, 'must be a JSON object');
  return value;
}
