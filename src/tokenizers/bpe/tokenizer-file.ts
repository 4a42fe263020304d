/**
 * Reads `tokenizer.json`, the format of Hugging Face's tokenizers. By hand: a vocabulary has 250,000 entries. What the library
 * would load but is not done here is refused by its name.
 */
import type { AddedToken } from './added-tokens.ts';
import {
  choiceOf,
  fieldOf,
  flagOf,
  type JsonRecord,
  listOf,
  parseRecord,
  recordOf,
  stringOf,
} from './json-values.ts';
import { readPostProcessor } from './post-processor-file.ts';
import { InvalidTokenizer, UnsupportedTokenizer } from './refusals.ts';
import {
  type ModelShape,
  type NormalizerShape,
  type PreTokenizerShape,
  SPLIT_BEHAVIORS,
  type TextPattern,
  type TokenizerShape,
} from './shape.ts';

/** The largest vocabulary of today has 262,144 entries and 514,906 merges. */
const MAX_ENTRIES = 2_000_000;
const MAX_ADDED = 100_000;
/** Also that of a sequence in a sequence. */
const MAX_STEPS = 50;
const MAX_DEPTH = 5;
const MAX_ID = 2 ** 31 - 2;

/** Throws UnsupportedTokenizer or InvalidTokenizer. */
export function readTokenizerFile(text: string): TokenizerShape {
  const file = parseRecord(text, 'it');
  const version = file.version;
  if (version !== undefined && version !== '1.0') {
    throw new UnsupportedTokenizer(`version ${JSON.stringify(version)} of the format`);
  }
  const model = readModel(recordOf(file.model, 'model'));
  const addedTokens = readAddedTokens(file.added_tokens, model);
  return {
    model,
    normalizers: flattened(file.normalizer, 'normalizer', 'normalizers', readNormalizer),
    preTokenizers: readPreTokenizers(file.pre_tokenizer),
    addedTokens,
    ...readPostProcessor(file.post_processor),
  };
}

function readModel(model: JsonRecord): ModelShape {
  const type = model.type;
  // Files from before 2020 have no type, and the library tries one after the other.
  if (type !== 'BPE') throw new UnsupportedTokenizer(`a model of type ${JSON.stringify(type)?.slice(0, 50)}`);
  if (model.dropout) throw new UnsupportedTokenizer('a model with dropout');
  for (const field of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    if (model[field]) throw new UnsupportedTokenizer(`a model with ${field}`);
  }
  const unknown = model.unk_token ?? undefined;
  return {
    vocabulary: readVocabulary(recordOf(model.vocab, 'model.vocab')),
    merges: readMerges(model.merges),
    unknown: unknown === undefined ? undefined : stringOf(unknown, 'model.unk_token'),
    fuseUnknown: flagOf(model, 'fuse_unk', false),
    byteFallback: flagOf(model, 'byte_fallback', false),
    ignoreMerges: flagOf(model, 'ignore_merges', false),
  };
}

function readVocabulary(vocab: JsonRecord): ReadonlyMap<string, number> {
  const vocabulary = new Map<string, number>();
  const ids = new Set<number>();
  // Not `Object.entries`: that makes an array for each.
  for (const token in vocab) {
    const id = vocab[token];
    if (!isId(id))
      throw new InvalidTokenizer(`model.vocab has an id that is no whole number from 0 to ${MAX_ID}`);
    if (ids.has(id)) throw new UnsupportedTokenizer(`two tokens with the id ${id}`);
    ids.add(id);
    vocabulary.set(token, id);
    if (ids.size > MAX_ENTRIES) throw new UnsupportedTokenizer(`more than ${MAX_ENTRIES} tokens`);
  }
  return vocabulary;
}

function readMerges(value: unknown): string[] {
  const merges = listOf(value, 'model.merges', MAX_ENTRIES);
  const isPairs = merges.length > 0 && Array.isArray(merges[0]);
  const parts: string[] = [];
  for (const merge of merges) {
    if (!isPairs && typeof merge === 'string' && merge.startsWith('#version')) continue;
    const pair = isPairs ? merge : typeof merge === 'string' ? merge.split(' ') : undefined;
    if (!Array.isArray(pair) || pair.length !== 2 || pair.some(part => typeof part !== 'string')) {
      throw new InvalidTokenizer('model.merges has something else than pairs of tokens');
    }
    parts.push(pair[0], pair[1]);
  }
  return parts;
}

/** With the ids that the library gives: what the file says of them is not looked at. */
function readAddedTokens(value: unknown, { vocabulary }: ModelShape): AddedToken[] {
  const ids = new Map<string, number>();
  let next = vocabulary.size;
  return listOf(value ?? [], 'added_tokens', MAX_ADDED).flatMap(item => {
    const token = readAddedToken(recordOf(item, 'added_tokens'));
    if (token.content === '') return [];
    const id = ids.get(token.content) ?? vocabulary.get(token.content) ?? next++;
    ids.set(token.content, id);
    return [{ ...token, id }];
  });
}

function readAddedToken(token: JsonRecord): Omit<AddedToken, 'id'> {
  const content = stringOf(token.content, 'added_tokens.content');
  if (!content.isWellFormed()) throw new InvalidTokenizer('an added token is no valid text');
  return {
    content,
    singleWord: flagOf(token, 'single_word'),
    lstrip: flagOf(token, 'lstrip'),
    rstrip: flagOf(token, 'rstrip'),
    normalized: flagOf(token, 'normalized'),
    special: flagOf(token, 'special'),
  };
}

/** A step, or a sequence of them, or none. */
function flattened<T>(
  value: unknown,
  what: string,
  listField: string,
  read: (step: JsonRecord) => T,
  depth = 0,
): T[] {
  if (value === undefined || value === null) return [];
  const step = recordOf(value, what);
  if (step.type !== 'Sequence') return [read(step)];
  if (depth === MAX_DEPTH) throw new UnsupportedTokenizer(`${what}: sequences in sequences`);
  const steps = listOf(step[listField], `${what}.${listField}`, MAX_STEPS);
  return steps.flatMap(inner => flattened(inner, what, listField, read, depth + 1));
}

function readNormalizer(step: JsonRecord): NormalizerShape {
  const type = step.type;
  switch (type) {
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return { kind: 'form', form: type };
    case 'Prepend':
      return { kind: 'prepend', text: stringOf(step.prepend, 'normalizer.prepend') };
    case 'Replace':
      return {
        kind: 'replace',
        pattern: readPattern(step.pattern, 'normalizer.pattern'),
        content: stringOf(step.content, 'normalizer.content'),
      };
    default:
      throw new UnsupportedTokenizer(`the normalizer ${JSON.stringify(type)?.slice(0, 50)}`);
  }
}

function readPreTokenizers(value: unknown): PreTokenizerShape[] {
  const steps = flattened(value, 'pre_tokenizer', 'pretokenizers', readPreTokenizer);
  steps.forEach(({ kind }, index) => {
    if (kind === 'byte_level' && index < steps.length - 1) {
      throw new UnsupportedTokenizer('a pre-tokenizer behind ByteLevel');
    }
    if (kind === 'metaspace' && index > 0) {
      throw new UnsupportedTokenizer('a pre-tokenizer before Metaspace');
    }
  });
  return steps;
}

function readPreTokenizer(step: JsonRecord): PreTokenizerShape {
  const type = step.type;
  switch (type) {
    case 'Split':
      return {
        kind: 'split',
        pattern: readPattern(step.pattern, 'pre_tokenizer.pattern'),
        behavior: choiceOf(step.behavior, SPLIT_BEHAVIORS, 'pre_tokenizer.behavior'),
        invert: flagOf(step, 'invert'),
      };
    case 'Digits':
      return { kind: 'digits', individual: flagOf(step, 'individual_digits') };
    case 'ByteLevel':
      return {
        kind: 'byte_level',
        addPrefixSpace: flagOf(step, 'add_prefix_space'),
        useRegex: flagOf(step, 'use_regex', true),
      };
    case 'Metaspace':
      return readMetaspace(step);
    default:
      throw new UnsupportedTokenizer(`the pre-tokenizer ${JSON.stringify(type)?.slice(0, 50)}`);
  }
}

function readMetaspace(step: JsonRecord): PreTokenizerShape {
  const replacement = stringOf(step.replacement, 'pre_tokenizer.replacement');
  if (Array.from(replacement).length !== 1) throw new InvalidTokenizer('a replacement is not one character');
  const prepend = choiceOf(
    step.prepend_scheme ?? 'always',
    ['always', 'first', 'never'] as const,
    'pre_tokenizer.prepend_scheme',
  );
  if (step.add_prefix_space === false && prepend !== 'never') {
    throw new InvalidTokenizer('add_prefix_space and prepend_scheme differ');
  }
  return { kind: 'metaspace', replacement, prepend, split: flagOf(step, 'split', true) };
}

function readPattern(value: unknown, what: string): TextPattern {
  const pattern = recordOf(value, what);
  const text = fieldOf(pattern, 'String');
  const regex = fieldOf(pattern, 'Regex');
  if (typeof text === 'string' && regex === undefined) return { kind: 'text', text };
  if (typeof regex === 'string' && text === undefined) return { kind: 'regex', regex };
  throw new InvalidTokenizer(`${what} is neither a String nor a Regex`);
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_ID;
}
