import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from 'chai';
import { TextSplitter } from '../../../src/tokenizers/bpe/text-splitter.ts';
import { loadTokenizer } from '../../../src/tokenizers/bpe/tokenizer.ts';

/**
 * Small tokenizers, each of another shape, with the ids that Hugging Face's library (Python, tokenizers 0.23.3, Oniguruma) gives
 * texts of many scripts. Trained with it on this project's docs.
 */
const RECORDED = JSON.parse(
  readFileSync(new URL('../../fixtures/tokenizers/recorded.json', import.meta.url), 'utf8'),
) as Record<string, { readonly tokenizer: object; readonly texts: readonly (readonly [string, number[]])[] }>;

/** Shapes that look across an added token. */
const WHOLE = ['meta_first', 'norm', 'single_word'];

const AS_IT_IS = { tokenizerConfig: undefined, modelConfig: undefined };

describe('A tokenizer', () => {
  for (const [name, { tokenizer, texts }] of Object.entries(RECORDED)) {
    it(`gives the ids that Hugging Face's library gives: ${name}`, () => {
      const loaded = loadTokenizer(JSON.stringify(tokenizer), AS_IT_IS);
      for (const [text, ids] of texts) {
        // Twice, for the second time pieces are known.
        for (const encoded of [loaded.encode([text]), loaded.encode([text])]) {
          assert.deepEqual([...encoded.ids], ids, JSON.stringify(text));
        }
      }
    });

    it(`may be asked for segments if nothing looks across them: ${name}`, () => {
      const loaded = loadTokenizer(JSON.stringify(tokenizer), AS_IT_IS);
      assert.equal(loaded.segments, WHOLE.includes(name) ? 'whole' : 'independent');
      if (loaded.segments === 'whole') return;
      const splitter = new TextSplitter(loaded.boundaries);
      for (const [text, ids] of texts) {
        assert.deepEqual([...loaded.encode(segmentsOf(splitter, text)).ids], ids, JSON.stringify(text));
      }
    });
  }

  const families = process.env.WARMROUTE_TOKENIZER_FAMILIES;
  /** A folder for each: tokenizer.json, and `expected`, lines of `[text, ids]` that Hugging Face's library gives. */
  it('gives all texts ids in the files of whole families', function () {
    if (families === undefined) {
      console.log('      skipped: WARMROUTE_TOKENIZER_FAMILIES names no folder of tokenizer files');
      this.skip();
    }
    this.timeout(120_000);
    for (const name of readdirSync(families)) {
      const loaded = loadTokenizer(readFileSync(join(families, name, 'tokenizer.json'), 'utf8'), AS_IT_IS);
      const recorded = readFileSync(join(families, name, 'expected'), 'utf8')
        .trim()
        .split('\n');
      for (const line of recorded) {
        const [text, ids] = JSON.parse(line) as [string, number[]];
        assert.deepEqual(
          [...loaded.encode([text]).ids],
          ids,
          `${name}: ${JSON.stringify(text.slice(0, 200))}`,
        );
      }
    }
  });
});

function segmentsOf(splitter: TextSplitter, text: string): string[] {
  const segments: string[] = [];
  let from = 0;
  for (let end = splitter.endOfBoundary(text, 0); end >= 0; end = splitter.endOfBoundary(text, from)) {
    segments.push(text.slice(from, end));
    from = end;
  }
  return [...segments, text.slice(from)];
}
