import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { cleanPath, PATHS, pathRules } from '../../src/prompt/paths.ts';

const WORDS = { prefix: 'by prefix', load: 'by load', refused: 'refused' } as const;
const POSTS = [...PATHS.keys()];

/** Path → what happens, of the table in the docs. */
async function documented(): Promise<Map<string, string>> {
  const text = await readFile(new URL('../../docs/paths.md', import.meta.url), 'utf8');
  return new Map([...text.matchAll(/^\| `(.+?)` \| (.+?) \|/gm)].map(row => [row[1]!, row[2]!]));
}

describe('docs/paths.md', () => {
  it('has the paths of the code, and says what it does with each', async () => {
    assert.deepEqual(await documented(), new Map([...PATHS].map(([path, how]) => [path, WORDS[how]])));
  });

  it('is right about the rest', () => {
    for (const path of ['/v1/models', '/v1/files', '/v1/responses/resp_1', '/metrics', '/', ''])
      assert.deepEqual(pathRules('public')(path), { treatment: 'passed_on', errors: 'openai' }, path);
  });
});

describe('pathRules', () => {
  const rule = pathRules('public');
  const routed = POSTS.filter(path => PATHS.get(path) !== 'refused');

  for (const path of routed) {
    it(`routes ${path}, with a query or without, and with needless slashes`, () => {
      for (const written of [
        path,
        `${path}?a=/b`,
        `${path}/`,
        `/${path}`,
        `${path.replaceAll('/', '//')}//?x`,
      ]) {
        assert.equal(rule(written).treatment, 'routed', written);
        assert.equal(cleanPath(written), path);
      }
    });
  }

  it('does not route what only looks like one', () => {
    for (const path of [
      ...['/v1/chat', '/v1/models', '', '?', '/', '/V1/completions', 'v1/completions', '/v1/completions/x'],
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
    const rule = pathRules('engine_internal');
    assert.equal(rule('/v1/load_lora_adapter').treatment, 'passed_on');
    assert.equal(rule('/v1/unload_lora_adapter/').treatment, 'passed_on');
    for (const path of POSTS.filter(path => path.endsWith('/render')))
      assert.equal(rule(path).treatment, 'routed');
  });

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
