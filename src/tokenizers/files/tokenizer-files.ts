/** The tokenizer files of one model, as far as the router needs them. */

export interface TokenizerFiles {
  /** The base model. */
  readonly model: string;
  /** Without links: files behind links that are swapped later stay those that were read. */
  readonly directory: string;
  /** Its path, without links. At most `MAX_TOKENIZER_BYTES` when it was looked at; a reader bounds what it reads as well. */
  readonly tokenizerJson: string;
  /** What tokenizer_config.json and config.json say. Nobody reads them once more: they may be others by then, and anywhere. */
  readonly tokenizerConfig: string | undefined;
  readonly modelConfig: string | undefined;
  readonly chat: ChatRendering;
  /**
   * Those that chat templates see as variables, by their names (`bos_token`): what transformers 5 has in `special_tokens_map`. The
   * names are the file's own, `constructor` may be one of them: ask with `Object.hasOwn`.
   */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** Of all that is above: SHA-256 of the files' content, in hexadecimal. */
  readonly fingerprint: string;
}

/** How vLLM makes a text of the messages of a chat. */
export type ChatRendering =
  /** By a Jinja template. `toolUse`: that of requests with tools, if it is another one. */
  | { readonly kind: 'template'; readonly default: string; readonly toolUse: string | undefined }
  /** There is no template: the engine has one of its own, or refuses chats. */
  | { readonly kind: 'none' }
  /** By code of its own, whatever template there is: only the engine can. */
  | { readonly kind: 'own_code'; readonly renderer: OwnRenderer };

/** By which code. */
export type OwnRenderer =
  | 'harmony'
  | 'mistral'
  | 'deepseek_v32'
  | 'deepseek_v4'
  | 'kimi_k3'
  | 'kimi_audio'
  | 'inkling';

/** Gemma 3's has 33 MB. */
export const MAX_TOKENIZER_BYTES = 64 << 20;
/** Gemma 3's has 1.1 MB. */
export const MAX_CONFIG_BYTES = 4 << 20;
export const MAX_TEMPLATE_BYTES = 1 << 20;

export const TOKENIZER = 'tokenizer.json';
export const TOKENIZER_CONFIG = 'tokenizer_config.json';
export const SPECIAL_TOKENS_MAP = 'special_tokens_map.json';
export const MODEL_CONFIG = 'config.json';
export const CHAT_TEMPLATE = 'chat_template.jinja';
/** Of a processor (multimodal models): its template goes first for requests without tools. */
export const PROCESSOR_TEMPLATE = 'chat_template.json';
export const MORE_TEMPLATES = 'additional_chat_templates';

/** All that are read, and how long each may be. */
export const MAX_BYTES: Readonly<Record<string, number>> = {
  [TOKENIZER]: MAX_TOKENIZER_BYTES,
  [TOKENIZER_CONFIG]: MAX_CONFIG_BYTES,
  [SPECIAL_TOKENS_MAP]: MAX_CONFIG_BYTES,
  [MODEL_CONFIG]: MAX_CONFIG_BYTES,
  [CHAT_TEMPLATE]: MAX_TEMPLATE_BYTES,
  [PROCESSOR_TEMPLATE]: MAX_TEMPLATE_BYTES,
  [`${MORE_TEMPLATES}/default.jinja`]: MAX_TEMPLATE_BYTES,
  [`${MORE_TEMPLATES}/tool_use.jinja`]: MAX_TEMPLATE_BYTES,
};

/** Files of Mistral's own tokenizer: with one of them vLLM takes that, and not tokenizer.json. */
export const MISTRAL_FILE = /^(tekken\.json|tokenizer\.model\.v\d+(m\d+)?)$/;

/** What is known of a model's files. */
export type FilesState =
  /** Nobody says where they are. */
  | { readonly kind: 'none' }
  /** They are looked for, downloaded or read. */
  | { readonly kind: 'loading' }
  | { readonly kind: 'ready'; readonly files: TokenizerFiles }
  | { readonly kind: 'broken'; readonly problem: FilesProblem };

/** Why a model's files cannot be used. `describeFilesProblem` has it in words. */
export type FilesProblem =
  | { readonly kind: 'no_directory'; readonly directory: string }
  | { readonly kind: 'missing_file'; readonly directory: string; readonly file: string }
  | { readonly kind: 'leads_out'; readonly path: string; readonly root: string }
  | { readonly kind: 'not_regular'; readonly path: string }
  | { readonly kind: 'too_long'; readonly path: string; readonly maxBytes: number }
  | { readonly kind: 'too_many_files'; readonly directory: string; readonly most: number }
  | { readonly kind: 'unreadable'; readonly path: string; readonly reason: string }
  | { readonly kind: 'invalid'; readonly path: string; readonly reason: string }
  /** A mount that does not answer. */
  | { readonly kind: 'slow'; readonly directory: string }
  /** The model's name is none of a directory, and nobody names another one. */
  | { readonly kind: 'no_directory_name'; readonly root: string }
  /** Two pods of the model name different places. */
  | { readonly kind: 'places_differ'; readonly pods: readonly [string, string] }
  /** A pod names a directory below one that is not configured. */
  | { readonly kind: 'no_root'; readonly pod: string; readonly name: string }
  | HubProblem;

/** Why there are none from the model hub. `host`: that of `HF_ENDPOINT`. */
export type HubProblem =
  | { readonly kind: 'no_hub_name' }
  | { readonly kind: 'not_on_hub'; readonly host: string; readonly hadToken: boolean }
  | { readonly kind: 'hub_refuses'; readonly host: string; readonly hadToken: boolean }
  | { readonly kind: 'not_at_hub'; readonly host: string; readonly file: string }
  | {
      readonly kind: 'hub_file_too_long';
      readonly host: string;
      readonly file: string;
      readonly maxBytes: number;
    }
  | { readonly kind: 'hub_unavailable'; readonly host: string; readonly reason: string }
  | { readonly kind: 'no_token_file'; readonly path: string; readonly reason: string }
  | { readonly kind: 'not_in_cache'; readonly directory: string }
  | { readonly kind: 'cache_not_writable'; readonly directory: string; readonly reason: string };
