import { assert } from 'chai';
import fc from 'fast-check';
import { type Boundary, TextSplitter } from '../../../src/tokenizers/bpe/text-splitter.ts';

/** The leftmost, of these the longest, looked for at each place. */
function naiveEnd(tokens: readonly string[], text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const here = tokens.filter(token => text.startsWith(token, at));
    if (here.length > 0) return at + Math.max(...here.map(({ length }) => length));
  }
  return -1;
}

function boundary(content: string, second = false, rstrip = false): Boundary {
  return { content, second, rstrip };
}

const anyText = (maxLength: number) =>
  fc.array(fc.constantFrom('<', 'a', '>', '😀', '\ude00'), { maxLength }).map(parts => parts.join(''));

describe('Where a text may be cut', () => {
  it('is behind the leftmost, longest token', () => {
    const anyTokens = fc.array(
      anyText(4).filter(token => token !== ''),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(anyTokens, anyText(30), (tokens, text) => {
        const splitter = new TextSplitter(tokens.map(token => boundary(token)));
        for (let from = 0; from >= 0; ) {
          const end = splitter.endOfBoundary(text, from);
          assert.equal(end, naiveEnd(tokens, text, from));
          from = end;
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is behind tokens of the second kind only between those of the first', () => {
    const splitter = new TextSplitter([boundary('<b>'), boundary('a<', true), boundary('x', true)]);
    const ends = (text: string) => {
      const found = [];
      for (let end = splitter.endOfBoundary(text, 0); end >= 0; end = splitter.endOfBoundary(text, end))
        found.push(end);
      return found;
    };
    assert.deepEqual(ends('xa<b>xa<c'), [1, 5, 6, 8]);
    assert.deepEqual(ends('..<b>..'), [5]);
    assert.deepEqual(ends('..'), []);
  });

  it('is behind the blanks that belong to a token', () => {
    const splitter = new TextSplitter([boundary('<b>', false, true)]);
    assert.equal(splitter.endOfBoundary('<b> \u0085\u3000\ufeffx', 0), 6);
    assert.equal(new TextSplitter([]).endOfBoundary('a', 0), -1);
  });
});
