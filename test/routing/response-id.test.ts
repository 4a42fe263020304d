import { assert } from 'chai';
import fc from 'fast-check';
import { ResponseIdReader } from '../../src/routing/response-id.ts';

/** The first id that is told, with the answer coming in these parts. */
function idIn(...parts: readonly (string | Uint8Array)[]): string | undefined {
  const reader = new ResponseIdReader();
  return parts.map(part => reader.read(Buffer.from(part))).find(id => id !== undefined);
}

const JSON_ANSWER = '{"id":"resp_1","object":"response","output":[{"id":"msg_1"}]}';
const SSE_ANSWER = [
  'event: response.created',
  'data: {"response":{"id":"resp_1","output":[]},"sequence_number":0,"type":"response.created"}',
  '',
  'event: response.output_item.added',
  'data: {"item":{"id":"msg_1"},"type":"response.output_item.added"}',
  '',
  '',
];

describe('The id of a response', () => {
  for (const [what, answer] of [
    ['an object', JSON_ANSWER],
    ['an object with white space', ` \n${JSON.stringify(JSON.parse(JSON_ANSWER), null, 2)}`],
    ['an object with its id at the end', '{"output":[{"id":"msg_1"}],"metadata":{"id":"x"},"id":"resp_1"}'],
    ['events', SSE_ANSWER.join('\n')],
    ['events with CR LF', SSE_ANSWER.join('\r\n')],
    ['events with CR', SSE_ANSWER.join('\r')],
    ['events without a blank after the colon', SSE_ANSWER.join('\n').replaceAll('data: ', 'data:')],
    ['events after a comment and others', `: hello\n\ndata: {"type":"ping"}\n\n${SSE_ANSWER.join('\n')}`],
  ] as const) {
    it(`is found in ${what}, as soon as it is there`, () => {
      assert.equal(idIn(answer), 'resp_1');
      const end = answer.indexOf('"resp_1"') + '"resp_1"'.length;
      assert.equal(idIn(answer.slice(0, end)), 'resp_1');
      assert.isUndefined(idIn(answer.slice(0, end - 1)));
      for (let cut = Math.max(0, end - 60); cut < end; cut++)
        assert.equal(idIn(answer.slice(0, cut), answer.slice(cut)), 'resp_1', `cut at ${cut}`);
    });
  }

  for (const [what, answer] of [
    ['an error', '{"error":{"id":"resp_1"}}'],
    ['a number', '{"id":1}'],
    ['text', 'id: resp_1'],
    ['events of another API', 'data: {"id":"chatcmpl-1"}\n\n'],
    ['nothing', ''],
  ] as const) {
    it(`is not found in ${what}`, () => assert.isUndefined(idIn(answer)));
  }

  it('is told once', () => {
    const reader = new ResponseIdReader();
    assert.equal(reader.read(Buffer.from(JSON_ANSWER)), 'resp_1');
    assert.isTrue(reader.isDone);
    assert.isUndefined(reader.read(Buffer.from(JSON_ANSWER)));
  });

  it('is not looked for beyond 64 KiB, nor in more than 64 parts', () => {
    const long = new ResponseIdReader();
    long.read(Buffer.from(`{"x":"${'x'.repeat(65_530)}`));
    assert.isTrue(long.isDone);
    const inParts = new ResponseIdReader();
    for (let i = 0; i < 63; i++) inParts.read(Buffer.from(' '));
    assert.isFalse(inParts.isDone);
    inParts.read(Buffer.from(' '));
    assert.isTrue(inParts.isDone);
  });

  it('is undefined for any other bytes', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array()), parts => idIn(...parts) === undefined));
  });
});
