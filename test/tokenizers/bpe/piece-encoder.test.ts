import { assert } from 'chai';
import { loadTokenizer } from '../../../src/tokenizers/bpe/tokenizer.ts';
import { ofBytes, SMALL } from '../../support/small-tokenizer.ts';

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

  for (const [ignore_merges, ids] of [
    [true, [5, 4, 6]],
    [false, [0, 1, 2, 3, 4, 0, 1]],
  ] as const) {
    it(`are those of a whole piece that is a token only if merges are ignored: ${ignore_merges}`, () => {
      const vocab = { a: 0, b: 1, Ã: 2, '©': 3, 1: 4, 'abÃ©': 5, ab: 6, 'ab▁': 7 };
      const file = {
        ...ofBytes(String.raw`\p{N}{1,3}`),
        added_tokens: [],
        model: { type: 'BPE', vocab, merges: [], ignore_merges },
      };
      const loaded = loadTokenizer(JSON.stringify(file), {
        tokenizerConfig: undefined,
        modelConfig: undefined,
      });
      assert.deepEqual([...loaded.encode(['abé1ab']).ids], [...ids]);
    });
  }
});
