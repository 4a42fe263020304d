/** Where exact tokens come from: docs/tokenizing.md. */
import { type Setting, setting } from './setting.ts';
import { anyText, choice, flag, MAX_BUFFERED_BYTES, percent, wholeNumber } from './values.ts';

const TOKENIZER_KINDS = ['engine', 'local', 'auto'] as const;

export const TOKENIZERS = {
  tokenizer: setting(
    'Warmroute',
    ['WARMROUTE_TOKENIZER'],
    // Depends on what is known of a model: its tokenizer files.
    undefined,
    'kind',
    choice(TOKENIZER_KINDS),
    'Who makes the engines’ tokens. `engine`: the engines, as `AIBRIX_USE_REMOTE_TOKENIZER` says. `auto`: the router itself, by the tokenizer files of the model; the engines where those cannot be used, or made other tokens than the engine. `local`: the router alone; no engine is asked, and a prompt that the router cannot tokenize is routed by load. Unset: `auto` for models whose tokenizer files are known, `engine` for the others. [tokenizing.md](tokenizing.md).',
  ),
  tokenizerDir: setting(
    'Warmroute',
    ['WARMROUTE_TOKENIZER_DIR'],
    undefined,
    'path',
    anyText,
    'A directory with tokenizer files: those of the model `Qwen/Qwen3-8B` in `Qwen/Qwen3-8B` below it. Read again when they change.',
  ),
  tokenizerHub: setting(
    'Warmroute',
    ['WARMROUTE_TOKENIZER_HUB'],
    'false',
    'true or false',
    flag,
    'Downloads the tokenizer files of models that have no directory from the model hub (`HF_ENDPOINT`), by the name of the model, into its cache (`HF_HUB_CACHE`).',
  ),
  tokenizerCheckPercent: setting(
    'Warmroute',
    ['WARMROUTE_TOKENIZER_CHECK_PERCENT'],
    '1',
    'percent',
    percent(100),
    'This share of the prompts that the router tokenized, drawn at random, is given to an engine as well, in the background, to compare the tokens. Fractions are allowed; 0: only the first ones of each model. With `local` none is.',
  ),
  tokenizerSegmentsBytes: setting(
    'Warmroute',
    ['WARMROUTE_TOKENIZER_SEGMENTS_BYTES'],
    '268435456',
    'bytes',
    wholeNumber(0, MAX_BUFFERED_BYTES),
    'Memory for parts of prompts that the router has tokenized, so that the next turn of a conversation costs its last messages. Above it those that were used longest ago go. 0 keeps none.',
  ),
} as const satisfies Record<string, Setting<unknown>>;

export interface TokenizerRules {
  readonly tokenizer: (typeof TOKENIZER_KINDS)[number] | undefined;
  readonly tokenizerDir: string | undefined;
  readonly tokenizerHub: boolean;
  readonly podsFile: string | undefined;
  readonly useRemoteTokenizer: boolean;
}

/** Whether engines may be asked for tokens. */
export function asksEngines({ tokenizer, useRemoteTokenizer }: TokenizerRules): boolean {
  return useRemoteTokenizer && tokenizer !== 'local';
}

/** Where nobody but the router makes tokens there must be a place for tokenizer files. The pods file may name one. */
export function tokenizerProblems(settings: TokenizerRules): string[] {
  const { tokenizer, tokenizerDir, tokenizerHub, podsFile } = settings;
  if (tokenizer === undefined || tokenizer === 'engine' || asksEngines(settings)) return [];
  if (tokenizerDir !== undefined || tokenizerHub || podsFile !== undefined) return [];
  const { tokenizer: kind, tokenizerDir: dir, tokenizerHub: hub } = TOKENIZERS;
  return [
    `${kind.names[0]} is ${tokenizer} and no engine is asked, but there is no place for tokenizer files: set ${dir.names[0]}, or ${hub.names[0]} to true`,
  ];
}
