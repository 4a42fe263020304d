/** `warmroute tokens`, as an operator runs it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { answerByteTokens, byteIds, chatText, writeByteTokenizer } from './support/byte-tokenizer.ts';
import { runCli } from './support/cli.ts';
import {
  type AnswerRequest,
  json,
  SCALE_OUT_DISABLED,
  startFakeTokenizer,
} from './support/fake-tokenizer.ts';

const MODEL = 'sim-model';
const BODY = { model: MODEL, messages: [{ role: 'user', content: 'Hello,\n\x1b[31mwörld!' }] };

describe('warmroute tokens', function () {
  this.timeout(20_000);

  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-tokens-'));
    await writeByteTokenizer(folder, MODEL);
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function tokens(body: unknown, ...flags: readonly string[]) {
    const file = join(folder, 'request.json');
    await writeFile(file, typeof body === 'string' ? body : JSON.stringify(body));
    return runCli(['tokens', file, ...flags], { WARMROUTE_TOKENIZER_DIR: folder });
  }

  async function comparedWith(answer: AnswerRequest, ...flags: readonly string[]) {
    const engine = await startFakeTokenizer();
    engine.answer = answer;
    try {
      return await tokens(BODY, '--compare', `http://127.0.0.1:${engine.pod.port}`, ...flags);
    } finally {
      await engine.stop();
    }
  }

  it('shows segments, tokens and blocks, and nothing that a terminal obeys', async () => {
    const { code, stdout, stderr } = await tokens(BODY);
    assert.equal(code, 0, stderr);
    const ids = byteIds(chatText(BODY));
    assert.include(
      stdout,
      `/v1/chat/completions, model ${MODEL}: ${ids.length} tokens, ${Math.floor(ids.length / 16)} full blocks of 16`,
    );
    assert.match(stdout, / 1 {7}1 {7}0 {7}0 {2}"<\|im_start\|>"/);
    assert.notInclude(stdout, '\x1b');
  });

  it('says that an engine’s tokens are the same', async () => {
    const { code, stdout } = await comparedWith(answerByteTokens());
    assert.equal(code, 0);
    assert.include(stdout, 'The engine’s tokens are the same.');
  });

  it('shows the first difference from an engine', async () => {
    const { code, stdout } = await comparedWith(
      answerByteTokens(body => chatText(body).replace('assistant', 'Assistant')),
    );
    assert.equal(code, 1);
    const position = byteIds(chatText(BODY)).length - 'assistant\n'.length;
    assert.include(stdout, `The first difference is at token ${position}: 97 here, 65 at the engine;`);
    assert.include(stdout, 'that is token 0 of segment');
  });

  it('prints JSON', async () => {
    const { code, stdout } = await comparedWith(answerByteTokens(), '--json');
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), {
      ...{ model: MODEL, path: '/v1/chat/completions', segments: 4, tokens: byteIds(chatText(BODY)) },
      comparison: { kind: 'equal' },
    });
  });

  const FAILURES: readonly [what: string, run: () => ReturnType<typeof tokens>, says: string][] = [
    ['an engine that renders nothing', () => comparedWith(() => SCALE_OUT_DISABLED), '--enable-scale-out'],
    ['an engine that refuses', () => comparedWith(() => json(400, {})), 'calls the request invalid'],
    ['an engine that is not there', () => tokens(BODY, '--compare', 'http://127.0.0.1:1'), 'does not answer'],
    ['no files', () => tokens({ ...BODY, model: 'other' }), 'there is no directory'],
    [
      'images',
      () => tokens({ ...BODY, messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }),
      'images',
    ],
    ['token ids', () => tokens({ model: MODEL, prompt: [1, 2] }), 'token ids'],
    ['no prompt', () => tokens({ model: MODEL }, '--path', '/v1/files'), 'no prompt'],
    ['no endpoint', () => tokens({ model: MODEL }), '--path'],
    ['no JSON', () => tokens('{oops'), 'is no JSON object'],
    ['no model', () => tokens({ prompt: 'x' }), '--model'],
    [
      'no such directory',
      () => tokens(BODY, '--tokenizer', '/nowhere'),
      'no directory /nowhere (--tokenizer)',
    ],
    [
      'files that are none of a tokenizer',
      async () => {
        await writeFile(join(folder, MODEL, 'tokenizer.json'), '{}');
        return tokens(BODY);
      },
      'no tokens of',
    ],
  ];
  for (const [what, run, says] of FAILURES)
    it(`says what is wrong: ${what}`, async () => {
      const { code, stderr } = await run();
      assert.equal(code, 2, stderr);
      assert.include(stderr, says);
    });
});
