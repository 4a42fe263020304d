import { assert } from 'chai';
import { readRequestFile } from '../../src/explain/request-file.ts';

const NO_FLAGS = { path: undefined, headers: {} };
const bytes = (content: unknown) =>
  Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));

describe('a request in a file', () => {
  for (const [member, path] of [
    ['messages', '/v1/chat/completions'],
    ['prompt', '/v1/completions'],
    ['input', '/v1/responses'],
    ['token_ids', '/inference/v1/generate'],
    ['text', '/generate'],
    ['input_ids', '/generate'],
  ] as const) {
    it(`with ${member} is for ${path}, unless another path is given`, () => {
      const body = bytes({ model: 'demo', [member]: 'x' });
      assert.deepEqual(readRequestFile(body, NO_FLAGS), { path, headers: {}, body });
      const headers = { 'routing-strategy': 'random' };
      assert.deepEqual(readRequestFile(body, { path: '/v1/messages', headers }), {
        ...{ path: '/v1/messages', headers, body },
      });
    });
  }

  for (const content of ['no json', [], { model: 'demo' }, 'null', { path: '/x' }]) {
    it(`does not say what it is for: ${JSON.stringify(content)}`, () => {
      assert.isUndefined(readRequestFile(bytes(content), NO_FLAGS));
      const body = bytes(content);
      assert.deepEqual(readRequestFile(body, { path: '/v1/score', headers: {} })?.body, body);
    });
  }

  it('may be an envelope, over which what is given beside it goes', () => {
    const envelope = { path: '/v1/completions', headers: { a: '1', b: '2' }, body: { model: 'demo' } };
    const plain = readRequestFile(bytes(envelope), NO_FLAGS);
    assert.deepInclude(plain, { path: undefined, headers: {} });
    assert.deepEqual(JSON.parse(plain!.body.toString()), envelope);
    const other = readRequestFile(bytes(envelope), { path: '/generate', headers: { b: '3' } });
    assert.deepEqual(JSON.parse(other!.body.toString()), {
      ...{ ...envelope, path: '/generate', headers: { a: '1', b: '3' } },
    });
    const get = readRequestFile(bytes({ path: '/v1/models', method: 'GET' }), NO_FLAGS);
    assert.isUndefined(get!.path);
  });
});
