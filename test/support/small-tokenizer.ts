/** A small tokenizer.json, and what may be wrong with one. */
export const VOCAB = { a: 0, b: 1, ab: 2, abab: 3, '▁': 4, '▁a': 5, '!': 6 };
const BYTES = { a: 0, b: 1, ab: 2, abab: 3 };
const MERGES = ['a b', 'ab ab', '▁ a'];

const AN_END = addedToken('<end>', 7);
export const SMALL = {
  version: '1.0',
  added_tokens: [AN_END],
  normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  pre_tokenizer: null,
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: 's', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { s: { id: 's', ids: [7, 6], tokens: ['<end>', '!'] } },
  },
  model: { type: 'BPE', vocab: VOCAB, merges: MERGES },
};

export function splittingAt(regex: string) {
  const pattern = { Regex: regex };
  return { ...SMALL, pre_tokenizer: { type: 'Split', pattern, behavior: 'Isolated', invert: false } };
}

export function addedToken(content: string, id: number) {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return { id, content, ...flags };
}

export function withVocab(vocab: object) {
  return { ...SMALL, model: { ...SMALL.model, vocab } };
}

/** Byte-level, split at matches of `regexes` one behind the other, which is what short texts may be tokenized with on the main thread. */
export function ofBytes(...regexes: readonly string[]) {
  const splits = regexes.map(regex => splittingAt(regex).pre_tokenizer);
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    ...SMALL,
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...splits, byteLevel] },
    post_processor: null,
    model: { type: 'BPE', vocab: BYTES, merges: ['a b', 'ab ab'] },
  };
}
