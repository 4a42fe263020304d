import { assert } from 'chai';
import { isCostlyJson } from '../../src/prompt/json-cost.ts';

const MIB = 1024 * 1024;
const bytes = (text: string) => Buffer.from(text);

describe('isCostlyJson', () => {
  const costly: [string, string][] = [
    ['3 million objects', `[${'{},'.repeat(3_000_000)}1]`],
    ['10 MB of open lists', '['.repeat(10_000_000)],
    ['lists in lists', `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`],
    ['members in members', `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`],
    ['a million members', `{${Array.from({ length: 1_000_000 }, (_, i) => `"${i}":1`).join()}}`],
    ['three million numbers', `[${'1,'.repeat(3_000_000)}1]`],
    ['objects behind a text of escaped quotes', `["${'\\"'.repeat(3000)}",${'{},'.repeat(1_000_000)}1]`],
    [
      'objects behind a text that ends with a backslash',
      `["${'x'.repeat(2000)}\\\\\\\\",${'{},'.repeat(1_000_000)}1]`,
    ],
    ['a byte order mark before objects', `\ufeff[${'{},'.repeat(1_000_000)}1]`],
  ];
  for (const [what, text] of costly)
    it(`is true of ${what}`, () => assert.isTrue(isCostlyJson(bytes(text), 'expected')));

  const cheap: [string, string][] = [
    ['a long text', `{"model":"m","prompt":"${'x'.repeat(10 * MIB)}"}`],
    ['a text of brackets and quotes', `{"prompt":"${'[{,\\"'.repeat(2 * MIB)}"}`],
    ['a text of escaped quotes', `{"prompt":"${'\\"[{'.repeat(2 * MIB)}"}`],
    ['a text that ends behind backslashes', `["${'x'.repeat(MIB)}\\\\\\\\","${'[{'.repeat(MIB)}"]`],
    ['half a text', `{"prompt":"${'[{'.repeat(MIB)}`],
    ['a million token ids', `{"prompt":[${'123,'.repeat(1_000_000)}1]}`],
    [
      'a long conversation',
      JSON.stringify(Array.from({ length: 5000 }, () => ({ role: 'user', content: 'x'.repeat(500) }))),
    ],
    ['few bytes, whatever they are', '['.repeat(100_000)],
    ['a form', `--b${'{'.repeat(MIB)}`],
  ];
  for (const [what, text] of cheap)
    it(`is false of ${what}`, () => assert.isFalse(isCostlyJson(bytes(text), 'expected')));

  it('counts numbers as values where no prompt is made of them', () => {
    assert.isTrue(isCostlyJson(bytes(`[${'123,'.repeat(100_000)}1]`), 'unexpected'));
    assert.isFalse(isCostlyJson(bytes(`[${'123,'.repeat(100_000)}1]`), 'expected'));
  });
});
