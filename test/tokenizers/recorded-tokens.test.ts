/**
 * Token ids that vLLM answered, computed again. `WARMROUTE_RECORDINGS` names a folder with more of it, `NAME.http.jsonl` with an
 * exchange a line (`{request: {method, path, body?}, response: {status, text}}`), and `WARMROUTE_RECORDED_TOKENIZER` the directory
 * of that model's tokenizer files.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { loadTokenizer, type OneTokenizer } from '../../scripts/vllm-tokenizer.ts';
import { KnownBodies } from '../../src/prompt/known/known-bodies.ts';
import { parsePrompt } from '../../src/prompt/request.ts';
import { deepFreeze } from '../support/deep-freeze.ts';

interface Exchange {
  /** Of the endpoint that serves such prompts. */
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly ids: readonly number[];
}

interface Fixture {
  /** Contents by name; the vocabulary has what the exchanges need. */
  readonly files: Readonly<Record<string, unknown>>;
  readonly exchanges: readonly Exchange[];
}

const { WARMROUTE_RECORDINGS: FOLDER, WARMROUTE_RECORDED_TOKENIZER: DIRECTORY } = process.env;

/** Of a line, if an engine tells tokens in it. */
function exchangeOf(line: string): Exchange | undefined {
  const { request, response } = JSON.parse(line) as {
    readonly request: { readonly method: string; readonly path: string; readonly body?: unknown };
    readonly response: { readonly status: number; readonly text?: string };
  };
  const match = /^\/tokenize$|^(\/v1\/.*)\/render$/.exec(request.path);
  const body = request.body as Exchange['body'] | undefined;
  if (match === null || response.status !== 200 || typeof body !== 'object' || body === null)
    return undefined;
  const answer = JSON.parse(response.text!) as Answer | readonly Answer[];
  const { tokens, token_ids: ids = tokens } = (Array.isArray(answer) ? answer[0] : answer) as Answer;
  const path = match[1] ?? ('messages' in body ? '/v1/chat/completions' : '/v1/completions');
  return { path, body: { model: 'tiny', ...body }, ids: ids! };
}

interface Answer {
  readonly tokens?: readonly number[];
  readonly token_ids?: readonly number[];
}

/** How many were computed; the others are left to the engine. */
async function assertSame({ tokenizer }: OneTokenizer, exchanges: readonly Exchange[]): Promise<number> {
  let computed = 0;
  const bodies = new KnownBodies(10_000_000);
  for (const { path, body, ids } of exchanges) {
    const raw = Buffer.from(JSON.stringify(body));
    const parsed = parsePrompt(path, 'application/json', raw, undefined, bodies);
    if (parsed.kind === 'invalid') continue;
    deepFreeze(parsed.prompt.body);
    const ours = await tokenizer.tokensOf(parsed.prompt);
    if (ours.kind === 'none') continue;
    assert.deepEqual([...ours.ids], ids, `${path} ${JSON.stringify(body)}`);
    computed++;
  }
  return computed;
}

describe('token ids are those that vLLM answered', function () {
  this.timeout(60_000);

  it('vllm-0.32.0-tokens', async () => {
    const name = new URL('../fixtures/vllm-0.32.0-tokens.json', import.meta.url);
    const { files, exchanges } = JSON.parse(readFileSync(name, 'utf8')) as Fixture;
    const directory = mkdtempSync(join(tmpdir(), 'warmroute-recorded-'));
    try {
      for (const [file, content] of Object.entries(files))
        writeFileSync(join(directory, file), JSON.stringify(content));
      const loaded = await loadTokenizer(directory);
      try {
        assert.equal(await assertSame(loaded, exchanges), exchanges.length);
      } finally {
        await loaded.close();
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  const isNamed = FOLDER !== undefined && DIRECTORY !== undefined;
  const names = isNamed ? readdirSync(FOLDER, { recursive: true }).map(String) : [];
  for (const name of names.filter(name => name.endsWith('.http.jsonl')).sort()) {
    const lines = readFileSync(join(FOLDER!, name), 'utf8').trim().split('\n');
    const exchanges = lines.map(exchangeOf).filter(each => each !== undefined);
    if (exchanges.length === 0) continue;
    it(`${name}, ${exchanges.length} exchanges`, async () => {
      const loaded = await loadTokenizer(DIRECTORY!);
      try {
        const computed = await assertSame(loaded, exchanges);
        console.log(`      ${computed} computed, ${exchanges.length - computed} left to the engine`);
        assert.isAbove(computed, 0);
      } finally {
        await loaded.close();
      }
    });
  }

  it('in the recordings of a folder', function () {
    if (isNamed) return;
    console.log('      skipped: WARMROUTE_RECORDINGS and WARMROUTE_RECORDED_TOKENIZER name no recordings');
    this.skip();
  });
});
