import { assert } from 'chai';
import { stringAtStart } from '../../src/prompt/string-at-start.ts';

const at = (text: string, ...path: string[]) => stringAtStart(Buffer.from(text), path);

describe('stringAtStart', () => {
  for (const [text, found] of [
    ['{"response":{"id":"r1"', 'r1'],
    [
      ' {"type": "x", "n": [{"response":{"id":"no"}}], "response" : { "tools":[{"id":"no"}], "id" : "r\\u0031" ',
      'r1',
    ],
    ['{"response":{"id":"r', undefined],
    ['{"response":{"id":1', undefined],
    ['{"response":{"a":{"id":"no"}}', undefined],
    ['{"response":{},"id":"no"', undefined],
    ['{"response":"id","id":"no"', undefined],
    ['{"response":["id","no"]', undefined],
    ['{"id":"no"', undefined],
    ['{"x":"\\"response\\":{\\"id\\":\\"no\\"}"', undefined],
    ['', undefined],
  ] as const) {
    it(`finds ${found} in ${text}`, () => assert.equal(at(text, 'response', 'id'), found));
  }

  it('finds a member of the object itself', () => assert.equal(at('{"id":"a","id":"b"}', 'id'), 'a'));
});
