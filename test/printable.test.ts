import { assert } from 'chai';
import { printable } from '../src/printable.ts';

describe('printable text', () => {
  it('has no control characters, and none that turn the direction', () => {
    for (const character of '\0\n\u001b\u007f\u009b\u061c\u200e\u200f\u2028\u2029\u202e\u2066\u2069')
      assert.equal(
        printable(`a${character}b`),
        'a b',
        `U+${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
      );
    assert.equal(printable('äöü 漢字 🙂\n'), 'äöü 漢字 🙂');
  });

  it('is cut where it is long', () => assert.equal(printable('abcdef', 3), 'abc…'));
});
