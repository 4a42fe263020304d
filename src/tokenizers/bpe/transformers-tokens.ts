/** Added tokens as transformers has them in the end: from tokenizer.json, `added_tokens_decoder` and named special tokens. */
import type { AddedToken } from './added-tokens.ts';
import { fieldOf, type JsonRecord, listOf, recordOf, stringOf } from './json-values.ts';
import { InvalidTokenizer, UnsupportedTokenizer } from './refusals.ts';
import type { TokenizerShape } from './shape.ts';

const NAMES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];
const MAX_TOKENS = 100_000;

export type NamedTokens = Readonly<Record<string, string>>;

export interface TokenRules {
  /** Whether the file's added tokens are there before those of the configuration. */
  readonly keepsFile: boolean;
  readonly named: NamedTokens;
  readonly readds?: boolean;
}

type Unnumbered = Omit<AddedToken, 'id'>;

/** Throws UnsupportedTokenizer where tokens would get ids that tokenizer.json does not give them. */
export function configuredTokens(
  { addedTokens, model }: TokenizerShape,
  config: JsonRecord,
  { keepsFile, named, readds }: TokenRules,
): AddedToken[] {
  const ids = new Map(addedTokens.map(({ content, id }) => [content, id]));
  const tokens = new Map<string, AddedToken>();
  const add = (token: Unnumbered, wanted?: number) => {
    if (token.content === '') return;
    const id = model.vocabulary.get(token.content) ?? ids.get(token.content);
    if (id === undefined || (wanted !== undefined && wanted !== id)) {
      throw new UnsupportedTokenizer(
        `tokenizer_config.json has a token with another id than tokenizer.json: ${JSON.stringify(token.content.slice(0, 50))}`,
      );
    }
    tokens.set(token.content, { ...token, id });
  };

  const decoder = readDecoder(config);
  if (keepsFile || decoder === undefined) for (const token of addedTokens) add(token);
  for (const [id, token] of decoder ?? []) add(token, id);
  const special = specialTokens(config, named);
  for (const token of special) if (!tokens.has(token.content)) add(token);
  if (readds) for (const { content } of special) add(plainSpecial(content));
  return [...tokens.values()];
}

/** In the order of ids; undefined: the configuration has none. */
function readDecoder(config: JsonRecord): [number, Unnumbered][] | undefined {
  const value = fieldOf(config, 'added_tokens_decoder');
  if (value === undefined) return undefined;
  const entries = Object.entries(recordOf(value, 'added_tokens_decoder'));
  listOf(entries, 'added_tokens_decoder', MAX_TOKENS);
  return entries
    .map(([key, token]): [number, Unnumbered] => {
      const id = /^\d{1,10}$/.test(key) ? Number(key) : Number.NaN;
      if (Number.isNaN(id)) throw new InvalidTokenizer('added_tokens_decoder has a key that is no id');
      return [id, readToken(recordOf(token, 'added_tokens_decoder'))];
    })
    .sort(([a], [b]) => a - b);
}

function specialTokens(config: JsonRecord, named: NamedTokens): Unnumbered[] {
  const values = NAMES.map(name => {
    const value = fieldOf(config, name);
    return value === undefined ? named[name] : value;
  });
  const others = Object.keys(config).filter(name => name.endsWith('_token') && !NAMES.includes(name));
  values.push(...others.map(name => config[name]));
  const extra = fieldOf(config, 'extra_special_tokens') || fieldOf(config, 'additional_special_tokens') || [];
  values.push(...(typeof extra === 'object' ? Object.values(extra as object) : []));
  return values.flatMap(value => {
    if (typeof value === 'string') return [plainSpecial(value)];
    return typeof value === 'object' && value !== null
      ? [{ ...readToken(value as JsonRecord), special: true }]
      : [];
  });
}

/** Flags that are not there are false, `normalized` unless the token is special. */
function readToken(token: JsonRecord): Unnumbered {
  const flag = (name: string) => fieldOf(token, name) === true;
  const normalized = fieldOf(token, 'normalized');
  const content = stringOf(fieldOf(token, 'content'), 'the content of an added token');
  if (!content.isWellFormed()) throw new InvalidTokenizer('an added token is no valid text');
  return {
    content,
    singleWord: flag('single_word'),
    lstrip: flag('lstrip'),
    rstrip: flag('rstrip'),
    normalized: typeof normalized === 'boolean' ? normalized : !flag('special'),
    special: flag('special'),
  };
}

function plainSpecial(content: string): Unnumbered {
  return { content, singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true };
}
