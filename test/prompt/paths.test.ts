import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { cleanPath, PATHS, pathRules, responseIdIn } from '../../src/prompt/paths.ts';

/** Written with what stands for a name; and one of them as it is asked for. */
const NAMING = new Map([
  ['/v1/responses/{id}', 'by response'],
  ['/v1/models', 'answered'],
  ['/v1/models/{id}', 'answered'],
]);
const WORDS = { prefix: 'by prefix', load: 'by load', refused: 'refused' } as const;
const POSTS = [...PATHS.keys()];

/** Path → what happens, of the table in the docs. */
async function documented(): Promise<Map<string, string>> {
  const text = await readFile(new URL('../../docs/paths.md', import.meta.url), 'utf8');
  return new Map([...text.matchAll(/^\| `(.+?)` \| (.+?) \|/gm)].map(row => [row[1]!, row[2]!]));
}

describe('docs/paths.md', () => {
  it('has the paths of the code, and says what it does with each', async () => {
    const known = [...PATHS].map(([path, how]) => [path, WORDS[how]] as const);
    assert.deepEqual(await documented(), new Map([...known, ...NAMING]));
  });

  it('is right about the rest', () => {
    for (const path of ['/v1/files', '/v1/modelsx', '/v1/responsesx', '/v1', '/metrics', '/', ''])
      assert.deepEqual(
        pathRules('public', () => true)(path),
        { treatment: 'passed_on', errors: 'openai' },
        path,
      );
  });
});

describe('pathRules', () => {
  const rule = pathRules('public', () => true);
  const routed = POSTS.filter(path => PATHS.get(path) !== 'refused');

  for (const path of routed) {
    const treatment = path === '/v1/responses' ? 'makes_response' : 'routed';
    it(`routes ${path}, with a query or without, and with needless slashes`, () => {
      for (const written of [
        path,
        `${path}?a=/b`,
        `${path}/`,
        `/${path}`,
        `${path.replaceAll('/', '//')}//?x`,
      ]) {
        assert.equal(rule(written).treatment, treatment, written);
        assert.equal(cleanPath(written), path);
      }
    });
  }

  it('does not route what only looks like one', () => {
    for (const path of [
      ...['/v1/chat', '/v1/model', '', '?', '/', '/V1/completions', 'v1/completions', '/v1/completions/x'],
      ...['/v1/completions%2', '/v1/completions%', '/v1/completions%ff', '/v1%252fcompletions'],
    ])
      assert.equal(rule(path).treatment, 'passed_on', path);
  });

  for (const path of POSTS.filter(path => PATHS.get(path) === 'refused')) {
    it(`refuses ${path}, however it is written`, () => {
      const escaped = path.replaceAll('_', '%5f').replaceAll('r', '%72').replace('v1/', 'v1%2F');
      for (const written of [path, `${path}/`, `//${path}?x=1`, escaped, `${path}#x`])
        assert.equal(rule(written).treatment, 'refused', written);
    });
  }

  it('lets clients have all, if they may', () => {
    const rule = pathRules('engine_internal', () => true);
    assert.equal(rule('/v1/load_lora_adapter').treatment, 'passed_on');
    assert.equal(rule('/v1/unload_lora_adapter/').treatment, 'passed_on');
    for (const path of POSTS.filter(path => path.endsWith('/render')))
      assert.equal(rule(path).treatment, 'routed');
  });

  for (const [path, id] of [
    ['/v1/responses/resp_1', 'resp_1'],
    ['/v1/responses/resp_1/?stream=true', 'resp_1'],
    ['//v1//responses//resp_1/cancel', 'resp_1'],
    ['/v1/responses/resp_1/input_items?limit=2', 'resp_1'],
    ['/v1/responses/r%C3%A9sp%5f1/', 'résp_1'],
    ['/v1/responses/render/x', 'render'],
  ] as const) {
    it(`goes by the response that ${path} names`, () => {
      assert.equal(rule(path).treatment, 'names_response');
      assert.equal(responseIdIn(cleanPath(path)), id);
    });
  }

  it('does not go by responses that are not followed', () => {
    const rule = pathRules('public', () => false);
    assert.equal(rule('/v1/responses').treatment, 'routed');
    assert.equal(rule('/v1/responses/resp_1').treatment, 'passed_on');
    assert.equal(rule('/v1/responses/render').treatment, 'refused');
  });

  for (const [path, model] of [
    ['/v1/models', undefined],
    ['/v1//models/?limit=1000', undefined],
    ['/v1/models/demo', 'demo'],
    ['/v1/models/meta-llama/Llama-3.1-8B/', 'meta-llama/Llama-3.1-8B'],
    ['/v1/models/meta-llama%2FLlama-3.1-8B?x', 'meta-llama/Llama-3.1-8B'],
    ['/v1/models/mod%c3%a8le', 'modèle'],
  ] as const) {
    it(`answers ${path}`, () => {
      assert.deepEqual(rule(path), { treatment: 'models', model, errors: 'openai' });
    });
  }

  it('knows whose errors are expected', () => {
    for (const [path, errors] of [
      ['/v1/messages', 'anthropic'],
      ['/v1/messages/', 'anthropic'],
      ['/v1/messages/count_tokens?beta=true', 'anthropic'],
      ['/v1/messages/render', 'anthropic'],
      ['/v1/messages_of_others', 'openai'],
      ['/v1/responses', 'openai'],
    ] as const)
      assert.equal(rule(path).errors, errors, path);
  });
});
