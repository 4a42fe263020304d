import { assert } from 'chai';
import { UnsupportedTokenizer } from '../../../src/tokenizers/bpe/refusals.ts';
import { loadTokenizer } from '../../../src/tokenizers/bpe/tokenizer.ts';
import { SMALL } from '../../support/small-tokenizer.ts';

const BYTES = Object.fromEntries(
  Array.from({ length: 256 }, (_, byte) => [
    `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    20 + byte,
  ]),
);
const LLAMA = {
  ...SMALL,
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  model: {
    ...SMALL.model,
    vocab: { ...SMALL.model.vocab, '<s>': 10, '</s>': 11, '<unk>': 12, ...BYTES },
    unk_token: '<unk>',
    fuse_unk: true,
    byte_fallback: true,
  },
};

function idsOf(text: string, config: object | undefined, modelType?: string, file: object = LLAMA): number[] {
  const loaded = loadTokenizer(JSON.stringify(file), {
    tokenizerConfig: config && JSON.stringify(config),
    modelConfig: modelType && JSON.stringify({ model_type: modelType }),
  });
  return [...loaded.encode([text]).ids];
}

describe('A tokenizer as transformers loads it', () => {
  it('is as the file says without a configuration', () => {
    assert.deepEqual(idsOf(' a', undefined), [4, 5]);
  });

  it('is as the file says for a model that transformers knows to name another class', () => {
    assert.deepEqual(idsOf(' a', { tokenizer_class: 'LlamaTokenizerFast' }, 'deepseek_v3'), [4, 5]);
  });

  it('has the steps of LlamaTokenizer, which adds no second blank', () => {
    assert.deepEqual(idsOf(' a', { tokenizer_class: 'LlamaTokenizer', legacy: true }, 'llama'), [5]);
    assert.deepEqual(idsOf('<s>a', { tokenizer_class: 'LlamaTokenizer', legacy: true }, 'llama'), [10, 5]);
    assert.deepEqual(idsOf('<s>a', { tokenizer_class: 'LlamaTokenizer' }, 'llama'), [10, 0]);
  });

  it('is refused where the class has other steps and nobody says which model it is', () => {
    assert.throws(
      () => idsOf('a', { tokenizer_class: 'LlamaTokenizer' }),
      UnsupportedTokenizer,
      /model_type/,
    );
  });

  it('has added tokens of the configuration', () => {
    const token = { content: 'ab', lstrip: false, rstrip: true, single_word: false, normalized: false };
    assert.deepEqual(idsOf('aab  b', { added_tokens_decoder: { 2: token } }, undefined, SMALL), [0, 2, 1]);
    assert.deepEqual(idsOf('a!a', { eos_token: '!' }, undefined, SMALL), [0, 6, 0]);
  });

  const refused: readonly (readonly [string, object])[] = [
    ['gives a token another id', { added_tokens_decoder: { 5: { content: 'ab' } } }],
    ['has a token that the file does not have', { pad_token: '<new>' }],
    ['names code of its own', { auto_map: { AutoTokenizer: ['x.Y', null] } }],
    ['names a class that is not followed', { tokenizer_class: 'GPT2Tokenizer' }],
    ['splits special tokens', { split_special_tokens: true }],
    ['mends a pattern', { fix_mistral_regex: true }],
  ];
  for (const [what, config] of refused) {
    it(`is refused if the configuration ${what}`, () => {
      assert.throws(() => idsOf('a', config, undefined, SMALL), UnsupportedTokenizer);
    });
  }
});
