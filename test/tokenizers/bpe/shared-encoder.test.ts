import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import fc from 'fast-check';
import { byteModel } from '../../../src/tokenizers/bpe/pieces/byte-model.ts';
import { SAMPLE_TEXTS } from '../../../src/tokenizers/bpe/sample-texts.ts';
import { encoderOf } from '../../../src/tokenizers/bpe/shared-encoder.ts';
import { TextEncoder } from '../../../src/tokenizers/bpe/text-encoder.ts';
import { loadTokenizer } from '../../../src/tokenizers/bpe/tokenizer.ts';
import { addedToken, ofBytes, SMALL, splittingAt } from '../../support/small-tokenizer.ts';

const RECORDED = JSON.parse(
  readFileSync(new URL('../../fixtures/tokenizers/recorded.json', import.meta.url), 'utf8'),
) as Record<string, { readonly tokenizer: Record<string, unknown> }>;
const AS_IT_IS = { tokenizerConfig: undefined, modelConfig: undefined };

/** As their files have them. */
const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  'Qwen 2 and 3': [
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
  'Qwen 3.5': [
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
  'Llama 3': [
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
  'Phi 4': [
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
  ],
  'Mistral Nemo': [
    String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
  'gpt-oss': [
    String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  ],
  'DeepSeek V3': [
    '\\p{N}{1,3}',
    '[一-龥\u3040-ゟ゠-ヿ]+',
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+',
  ],
};

const NFC = { type: 'NFC' };

function load(file: object) {
  return loadTokenizer(JSON.stringify(file), AS_IT_IS);
}

/** Each with the recorded vocabulary of 420 tokens. */
const shared: readonly (readonly [name: string, file: object])[] = [
  ...['gpt2', 'starcoder', 'single_word', 'ignore'].map(name => [name, RECORDED[name]!.tokenizer] as const),
  ...Object.entries(FAMILIES).map(([name, regexes]) => {
    const { pre_tokenizer } = ofBytes(...regexes);
    return [name, { ...RECORDED.ignore!.tokenizer, normalizer: NFC, pre_tokenizer }] as const;
  }),
];

const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...SAMPLE_TEXTS),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('<|end|>', '<s>', ' ', '\u0301', 'the', 'of'),
    ),
    { maxLength: 4 },
  )
  .map(parts => parts.join('').toWellFormed());

describe('A tokenizer that another thread has a share of', () => {
  for (const [name, file] of shared) {
    it(`gives the same ids there, whatever it has seen before: ${name}`, () => {
      const loaded = load(file);
      // What a message to the other thread makes of it.
      const share = structuredClone(loaded.shared)!;
      const there = [encoderOf(share), new TextEncoder(share.steps, byteModel(share.tables), 16)];
      fc.assert(
        fc.property(anyText, text => {
          const { ids } = loaded.encode([text]);
          for (const encoder of there) assert.deepEqual([...encoder.encode(text)], [...ids]);
        }),
        { numRuns: 60 },
      );
    });
  }

  it('shares the memory of its tables', () => {
    const { tables } = load(RECORDED.ignore!.tokenizer).shared!;
    assert.instanceOf(tables.merges.buffer, SharedArrayBuffer);
    assert.instanceOf(tables.whole!.slots.buffer, SharedArrayBuffer);
    assert.instanceOf(tables.whole!.bytes.buffer, SharedArrayBuffer);
  });

  const bytes = ofBytes(String.raw`\p{N}{1,3}`);
  const split = splittingAt('.').pre_tokenizer;
  const refused: Readonly<Record<string, object>> = {
    'a pattern that is not known': ofBytes('(?:q+)+b'),
    'a pattern behind one that is': ofBytes(String.raw`\p{N}{1,3}`, 'a'),
    'a known pattern whose matches are removed': {
      ...bytes,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { ...split, pattern: { Regex: String.raw`\p{N}{1,3}` }, behavior: 'Removed' },
          ...bytes.pre_tokenizer.pretokenizers.slice(1),
        ],
      },
    },
    'a text that it splits at': {
      ...bytes,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { ...split, pattern: { String: ' ' } },
          ...bytes.pre_tokenizer.pretokenizers.slice(1),
        ],
      },
    },
    'what is replaced': { ...bytes, normalizer: SMALL.normalizer },
    'another form than NFC': { ...bytes, normalizer: { type: 'NFKC' } },
    characters: SMALL,
    'many added tokens': {
      ...bytes,
      added_tokens: Array.from({ length: 2_001 }, (_, at) => addedToken(`<${at}>`, 4 + at)),
    },
    'a long added token': { ...bytes, added_tokens: [addedToken('<'.repeat(65), 4)] },
    'blanks that tokens take': {
      ...bytes,
      added_tokens: [{ ...addedToken('<end>', 4), lstrip: true }, addedToken(' \t', 5)],
    },
  };
  for (const [what, file] of Object.entries(refused)) {
    it(`has none of ${what}`, () => {
      assert.isDefined(load(bytes).shared);
      assert.isUndefined(load(file).shared);
    });
  }

  it('has none of merges whose ids are chosen so that each lookup goes through all of them', () => {
    const parts = Array.from({ length: 120 }, (_, at) => `a${'b'.repeat(at + 1)}`);
    // Bits that the place in a table of 256 does not depend on.
    const vocab = { a: 0, b: 1, ...Object.fromEntries(parts.map((part, at) => [part, (at + 1) * 2 ** 24])) };
    const merges = parts.map(part => [part.slice(0, -1), 'b']);
    const loaded = load({ ...bytes, added_tokens: [], model: { type: 'BPE', vocab, merges } });
    assert.isUndefined(loaded.shared);
    assert.deepEqual([...loaded.encode(['abba']).ids], [2 ** 25, 0]);
  });
});
