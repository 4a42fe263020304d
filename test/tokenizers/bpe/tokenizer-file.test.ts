import { assert } from 'chai';
import { InvalidTokenizer, UnsupportedTokenizer } from '../../../src/tokenizers/bpe/refusals.ts';
import { loadTokenizer } from '../../../src/tokenizers/bpe/tokenizer.ts';
import { SMALL, splittingAt, VOCAB, withVocab } from '../../support/small-tokenizer.ts';

describe('A tokenizer file', () => {
  const refusals: readonly (readonly [what: string, content: unknown, kind: string, why: RegExp])[] = [
    ['that is not JSON', '{', 'invalid', /not JSON/],
    ['that is nested deeply', '['.repeat(200_000), 'invalid', /not JSON|stack/],
    ['that is a list', [], 'invalid', /no object/],
    ['without a model', {}, 'invalid', /model/],
    ['of another version', { ...SMALL, version: '2.0' }, 'unsupported', /version/],
    ['with another model', { ...SMALL, model: { type: 'Unigram' } }, 'unsupported', /Unigram/],
    ['with dropout', { ...SMALL, model: { ...SMALL.model, dropout: 0.1 } }, 'unsupported', /dropout/],
    [
      'with a suffix',
      { ...SMALL, model: { ...SMALL.model, end_of_word_suffix: '</w>' } },
      'unsupported',
      /end_of_word_suffix/,
    ],
    ...[-1, 1.5, 2 ** 40, '1', null].map(
      id => ['with a strange id', withVocab({ ...VOCAB, c: id }), 'invalid', /id/] as const,
    ),
    ['with an id twice', withVocab({ ...VOCAB, c: 0 }), 'unsupported', /two tokens/],
    [
      'with a merge of strangers',
      { ...SMALL, model: { ...SMALL.model, merges: ['a q'] } },
      'invalid',
      /merge 1/,
    ],
    ['with a merge of three', { ...SMALL, model: { ...SMALL.model, merges: ['a b b'] } }, 'invalid', /pairs/],
    ['with a merge of one', { ...SMALL, model: { ...SMALL.model, merges: [['a']] } }, 'invalid', /pairs/],
    ['with another normalizer', { ...SMALL, normalizer: { type: 'Bert' } }, 'unsupported', /"Bert"/],
    ['with another pre-tokenizer', { ...SMALL, pre_tokenizer: { type: 'X' } }, 'unsupported', /"X"/],
    ['with another post-processor', { ...SMALL, post_processor: { type: 'X' } }, 'unsupported', /"X"/],
    ['with a pattern that is not known', splittingAt('^a'), 'unsupported', /regular expression/],
    [
      'that names what is everywhere',
      { ...SMALL, normalizer: { type: 'constructor' } },
      'unsupported',
      /constructor/,
    ],
    [
      'whose special token is not there',
      { ...SMALL, post_processor: { ...SMALL.post_processor, special_tokens: {} } },
      'invalid',
      /special token/,
    ],
  ];

  for (const [what, content, kind, why] of refusals) {
    it(`is refused ${what}`, () => {
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      const load = () => loadTokenizer(text, { tokenizerConfig: undefined, modelConfig: undefined });
      assert.throws(load, kind === 'invalid' ? InvalidTokenizer : UnsupportedTokenizer, why);
    });
  }
});
