/**
 * A model whose tokens are the bytes of its prompts, and two more for where messages begin and end: its tokenizer files, and an engine
 * that tokenizes accordingly.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AnswerRequest, json, NOT_FOUND } from './fake-tokenizer.ts';

const START = '<|im_start|>';
const END = '<|im_end|>';
const SPECIAL = { [START]: 256, [END]: 257 } as const;

export const CHATML = `{%- for message in messages -%}
${START}{{ message['role'] }}
{{ message['content'] }}${END}
{% endfor -%}
{%- if add_generation_prompt -%}
${START}assistant
{% endif -%}`;

/** GPT-2's characters for bytes: those that can be printed as they are, the others from U+0100 on. */
function byteCharacters(): string[] {
  const isShown = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isShown(byte) ? byte : next++));
}

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };

export interface ByteTokenizerFiles {
  readonly template?: string;
  /** Another pattern of the pre-tokenizer. */
  readonly pattern?: string;
}

/** Puts the files of `model` below `directory`. */
export async function writeByteTokenizer(
  directory: string,
  model: string,
  { template = CHATML, pattern }: ByteTokenizerFiles = {},
): Promise<void> {
  const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  const tokenizer = {
    ...{ version: '1.0', truncation: null, padding: null, normalizer: null, decoder: BYTE_LEVEL },
    added_tokens: Object.entries(SPECIAL).map(([content, id]) => ({
      ...{ id, content, special: true, normalized: false, single_word: false, lstrip: false, rstrip: false },
    })),
    pre_tokenizer:
      pattern === undefined ? BYTE_LEVEL : { type: 'Sequence', pretokenizers: [split, BYTE_LEVEL] },
    post_processor: BYTE_LEVEL,
    model: {
      ...{ type: 'BPE', dropout: null, unk_token: null, fuse_unk: false, byte_fallback: false },
      ...{ continuing_subword_prefix: '', end_of_word_suffix: '', ignore_merges: false, merges: [] },
      vocab: Object.fromEntries(byteCharacters().map((character, byte) => [character, byte])),
    },
  };
  const folder = join(directory, model);
  await mkdir(folder, { recursive: true });
  const config = { tokenizer_class: 'PreTrainedTokenizerFast', chat_template: template };
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
}

/** The ids of a rendered text. */
export function byteIds(text: string): number[] {
  return text
    .split(/(<\|im_start\|>|<\|im_end\|>)/)
    .flatMap(part => (part in SPECIAL ? [SPECIAL[part as keyof typeof SPECIAL]] : [...Buffer.from(part)]));
}

interface ChatBody {
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
}

export const chatText = ({ messages }: ChatBody): string =>
  `${messages.map(({ role, content }) => `${START}${role}\n${textOf(content)}${END}\n`).join('')}${START}assistant\n`;

function textOf(content: unknown): string {
  if (Array.isArray(content)) return content.map(({ text }) => text).join('\n');
  return content === null ? '' : String(content);
}

/** Renders chats and completions as an engine with these files does. @param chat another template's text */
export function answerByteTokens(chat: (body: ChatBody) => string = chatText): AnswerRequest {
  return ({ path, body }) => {
    const rendered = (text: string) => ({ request_id: 'r', token_ids: byteIds(text), features: null });
    if (path === '/v1/chat/completions/render') return json(200, rendered(chat(body as ChatBody)));
    if (path === '/v1/completions/render') return json(200, [rendered((body as { prompt: string }).prompt)]);
    return NOT_FOUND;
  };
}
