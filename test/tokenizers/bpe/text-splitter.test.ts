import { assert } from 'chai';
import fc from 'fast-check';
import type { AddedToken } from '../../../src/tokenizers/bpe/added-tokens.ts';
import { boundariesOf, TextSplitter } from '../../../src/tokenizers/bpe/text-splitter.ts';

function token(content: string, more: Partial<AddedToken> = {}): AddedToken {
  return {
    ...{ id: 1, content, singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true },
    ...more,
  };
}

const second = (content: string) => token(content, { normalized: true });

function cutsOf(tokens: readonly AddedToken[], text: string): number[] {
  const splitter = new TextSplitter(boundariesOf(tokens));
  const found = [];
  for (let end = splitter.endOfBoundary(text, 0); end >= 0; end = splitter.endOfBoundary(text, end))
    found.push(end);
  return found;
}

/** Behind the leftmost, of these the longest, looked for at each place; not behind those that another one goes on behind. */
function naiveCuts(tokens: readonly string[], text: string): number[] {
  const found: number[] = [];
  for (let at = 0; at < text.length; ) {
    const here = tokens.filter(token => text.startsWith(token, at));
    const longest = here.reduce((best, token) => (token.length > best.length ? token : best), '');
    at += Math.max(longest.length, 1);
    if (longest !== '' && !tokens.some(token => token.slice(0, -1).includes(longest))) found.push(at);
  }
  return found;
}

const anyText = (maxLength: number) =>
  fc.array(fc.constantFrom('<', 'a', '>', '😀', '\ude00'), { maxLength }).map(parts => parts.join(''));

describe('Where a text may be cut', () => {
  it('is behind the leftmost, longest token', () => {
    const anyTokens = fc.uniqueArray(
      anyText(4).filter(token => token !== ''),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(anyTokens, anyText(30), (tokens, text) => {
        const cuts = cutsOf(
          tokens.map(content => token(content)),
          text,
        );
        assert.deepEqual(cuts, naiveCuts(tokens, text));
      }),
      { numRuns: 300 },
    );
  });

  it('is behind tokens of the second kind only between those of the first', () => {
    const tokens = [token('<b>'), second('ay'), second('x')];
    assert.deepEqual(cutsOf(tokens, 'xay<b>xayc'), [1, 3, 6, 7, 9]);
    assert.deepEqual(cutsOf(tokens, '..<b>..'), [5]);
    assert.deepEqual(cutsOf(tokens, '..'), []);
    assert.deepEqual(cutsOf([token('a<b'), second('<b>')], 'a<b><b>'), [3, 7]);
    assert.deepEqual(cutsOf([], 'a'), []);
  });

  for (const [what, tokens, text, cuts] of [
    [
      'takes the blanks behind it',
      [token('<b>', { rstrip: true }), token('<c>')],
      '<b> \u0085\u3000x<c>',
      [10],
    ],
    ['is the beginning of another', [token('\n'), token('\n\n')], 'a\nb\n\n\nc', [5]],
    ['another one goes on behind', [token('a'), token('<a>')], 'a<a>', [4]],
    ['is of the second kind, and one of the first may begin in it', [token('<b>'), second('a<')], 'a<c', []],
  ] as const)
    it(`is not behind a token that ${what}`, () => assert.deepEqual(cutsOf(tokens, text), [...cuts]));

  it('stays there, whatever follows', () => {
    const content = fc.array(fc.constantFrom('<', 'a', ' '), { minLength: 1, maxLength: 3 });
    const anyToken = fc
      .record({ content, rstrip: fc.boolean(), normalized: fc.boolean() })
      .map(({ content, ...more }) => token(content.join(''), more));
    const anyTokens = fc.uniqueArray(anyToken, { maxLength: 4, selector: ({ content }) => content });
    const text = fc
      .array(fc.constantFrom('<', 'a', ' ', 'b'), { maxLength: 12 })
      .map(parts => parts.join(''));
    fc.assert(
      fc.property(anyTokens, text, text, (tokens, before, after) => {
        const cuts = cutsOf(tokens, before);
        const others = cutsOf(tokens, before.slice(0, cuts.at(-1) ?? 0) + after);
        assert.deepEqual(others.slice(0, cuts.length), cuts);
      }),
      { numRuns: 300 },
    );
  });
});
