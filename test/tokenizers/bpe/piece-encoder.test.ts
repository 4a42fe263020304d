import { assert } from 'chai';
import { loadTokenizer } from '../../../src/tokenizers/bpe/tokenizer.ts';
import { SMALL } from '../../support/small-tokenizer.ts';

const VOCAB = { a: 0, '▁': 1, 'a▁': 2, '?': 3, b: 4, '<0xC3>': 5, '<0xA9>': 6 };

/** Hugging Face's library gives the same. */
const rows: readonly (readonly [what: string, model: object, text: string, ids: readonly number[]])[] = [
  ['joins what stands around a character that is left out', {}, 'a👩▁b', [2, 4]],
  ['has a token for what is unknown', { unk_token: '?' }, 'a👩▁b👩👩', [0, 3, 1, 4, 3, 3]],
  ['fuses what is unknown', { unk_token: '?', fuse_unk: true }, '👩👩a▁', [3, 2]],
  ['writes bytes before what is unknown', { unk_token: '?', byte_fallback: true }, '👩éa', [5, 6, 3, 0]],
];

describe('The ids of a piece', () => {
  for (const [what, model, text, ids] of rows) {
    it(what, () => {
      const merged = { type: 'BPE', vocab: VOCAB, merges: ['a ▁'], ...model };
      const file = JSON.stringify({ ...SMALL, added_tokens: [], normalizer: null, model: merged });
      const loaded = loadTokenizer(file, { tokenizerConfig: undefined, modelConfig: undefined });
      assert.deepEqual([...loaded.encode([text]).ids], ids);
    });
  }
});
