import { assert } from 'chai';
import { translatePattern } from '../../../src/tokenizers/bpe/patterns/oniguruma.ts';
import { UnsupportedTokenizer } from '../../../src/tokenizers/bpe/refusals.ts';

const QWEN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

describe('A pattern of Oniguruma', () => {
  const rows: readonly (readonly [pattern: string, text: string, matches: readonly string[]])[] = [
    [QWEN, "don't  go 12!\n\n x", ['don', "'t", ' ', ' go', ' ', '1', '2', '!\n\n', ' x']],
    [String.raw`\s`, '\u0085\ufeff\u180e\u3000', ['\u0085', '\u3000']],
    ['(?i:sk)', 'sk SK \u017f\u212a', ['sk', 'SK', '\u017f\u212a']],
    ['(?i:[sd]x)', 'Sx \u017fX dx ax', ['Sx', '\u017fX', 'dx']],
    ['.+', 'a\r\u2028b\nc', ['a\r\u2028b', 'c']],
    [String.raw`\p{L}`, 'a\u{1f600}\u{20000}1', ['a', '\u{20000}']],
    // Unicode 17.0 has a letter there, Unicode 16.0 does not.
    [String.raw`\P{L}`, '\ua7ce', ['\ua7ce']],
    [String.raw`[\p{L}&&[^\p{Han}]]+`, 'ab漢c', ['ab', 'c']],
    [String.raw`[[a-c]x]+|\x{64}|\u0065|\x66`, 'abxdef', ['abx', 'd', 'e', 'f']],
    [String.raw`[!"\-/\[\\\]^]`, '!"-/[\\]^a', ['!', '"', '-', '/', '[', '\\', ']', '^']],
    ['a++b|a', 'aab', ['aab']],
    ['a++ab|b', 'aab', ['b']],
    ['(?>a|ab)c|b+', 'abc', ['b']],
    [String.raw`[a\n]?+a|z`, 'aaz', ['aa', 'z']],
    [String.raw`\w+`, 'a_\u0301²Ⅷ\u200d', ['a_\u0301²Ⅷ']],
    [String.raw`\d{2,3}?`.slice(0, -1), '12345', ['123', '45']],
    [String.raw`\p{^L}+|\P{^N}`, 'ab1', ['1']],
    ['(ab)+|c+?', 'ababcc', ['abab', 'c', 'c']],
  ];
  for (const [pattern, text, matches] of rows) {
    it(`takes of ${JSON.stringify(text)} what Oniguruma takes: ${pattern}`, () => {
      assert.deepEqual(
        [...text.matchAll(new RegExp(translatePattern(pattern), 'gu'))].map(match => match[0]),
        matches,
      );
    });
  }

  const refused = [
    ...[
      '^a',
      'a$',
      String.raw`\bа`,
      String.raw`\Aa`,
      String.raw`\h`,
      String.raw`\R`,
      String.raw`\X`,
      '(?x:a)',
      '(?m:a)',
    ],
    ...[
      '(?<name>a)',
      '(?<=a)b',
      String.raw`(a)\1`,
      'a*',
      'a?',
      '(?:a|)',
      '(?:a*)+',
      'a**',
      'a{2}+',
      'a{2,3}?',
      'a{,3}',
    ],
    ...[
      'a{3,2}',
      '(?i:ss)',
      '(?i:fi)',
      '(?i:ä)',
      '(?i:[ä])',
      String.raw`(?i:\p{Lu})`,
      '[[:alpha:]]',
      '[]a]',
      '[b-a]',
    ],
    ...[
      String.raw`[a-\d]`,
      '(?=a)*b',
      '(a',
      'a)',
      '[a',
      '[a&&]',
      String.raw`\p{Nope}`,
      String.raw`\p{L`,
      String.raw`\xff`,
    ],
    ...[
      String.raw`\x{d800}`,
      '\\',
      '+a',
      '{2}',
      '(?>(?>a)b)+c',
      '('.repeat(60) + ')'.repeat(60),
      'a'.repeat(30_000),
    ],
  ];
  for (const pattern of refused) {
    it(`is refused, as it is not known what it takes: ${pattern.slice(0, 40)}`, () => {
      assert.throws(() => translatePattern(pattern), UnsupportedTokenizer);
    });
  }
});
