import { assert } from 'chai';
import fc from 'fast-check';
import { findJsonError, placeOf } from '../../src/prompt/json-error.ts';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('findJsonError', () => {
  const rows: [text: string, position: number, line: number, column: number, what: string][] = [
    ['', 0, 1, 1, 'unexpected end'],
    [' ', 1, 1, 2, 'unexpected end'],
    ['x', 0, 1, 1, 'unexpected character'],
    ['{"a":1', 6, 1, 7, 'unexpected end'],
    ['{"a":1,}', 7, 1, 8, 'unexpected character'],
    ['{"a" 1}', 5, 1, 6, 'unexpected character'],
    ['{a:1}', 1, 1, 2, 'unexpected character'],
    ['[1}', 2, 1, 3, 'unexpected character'],
    ['[1,]', 3, 1, 4, 'unexpected character'],
    ['{}}', 2, 1, 3, 'unexpected character'],
    ['[[]', 3, 1, 4, 'unexpected end'],
    ['{"a":"b', 7, 1, 8, 'unexpected end'],
    ['"a\nb"', 2, 1, 3, 'unexpected character'],
    ['"\\x"', 2, 1, 3, 'unexpected character'],
    ['"\\', 2, 1, 3, 'unexpected end'],
    ['01', 1, 1, 2, 'unexpected character'],
    ['[-]', 1, 1, 2, 'unexpected character'],
    ['{\n"a":1,\n "b": nul}', 18, 3, 10, 'unexpected character'],
    ['\nx', 1, 2, 1, 'unexpected character'],
  ];
  for (const [text, position, line, column, what] of rows) {
    it(`finds ${what} at ${position} of ${JSON.stringify(text)}`, () => {
      assert.deepEqual(findJsonError(text) as unknown, { position, line, column, what });
    });
  }

  const almostJson = fc
    .tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom('', '{', '}', '[', ']', ',', ':', '"', '\\', 'e', '1', ' ', '\n', 'null'),
    )
    .map(([json, seed, inserted]) => {
      const at = seed % (json.length + 1);
      return json.slice(0, at) + inserted + json.slice(at + (seed % 3));
    });

  it('finds one exactly where JSON.parse refuses', () => {
    fc.assert(
      fc.property(almostJson, text => assert.equal(findJsonError(text) === undefined, isJson(text), text)),
    );
  });

  it('agrees with JavaScript about the place, where that tells it', () => {
    fc.assert(
      fc.property(almostJson, text => {
        try {
          JSON.parse(text);
        } catch (error) {
          const told = placeOf(error, text);
          const found = findJsonError(text)!;
          // Of numbers and escapes it names the character behind, or before.
          if (told !== undefined) assert.approximately(found.position, told.position, 4, text);
          if (told?.position === found.position) assert.deepEqual(told, found, text);
        }
      }),
    );
  });

  it('does not take what the text says for a place', () => {
    const text = '{"a": x in JSON at position 5 (line 1 column 6)';
    try {
      JSON.parse(text);
    } catch (error) {
      assert.isUndefined(placeOf(error, text));
    }
    assert.equal(findJsonError(text)?.position, 6);
  });

  it('works at any depth', () => {
    const deep = '[{"a":'.repeat(500_000);
    assert.include(findJsonError(deep), { position: deep.length, what: 'unexpected end' });
  });
});
