import { assert } from 'chai';
import type { Pod, Tokens } from '../../src/domain.ts';
import { withFallback } from '../../src/prompt/fallback-tokenizer.ts';
import type { PromptRequest } from '../../src/prompt/request.ts';
import { type Tokenizer, TokenizerError } from '../../src/prompt/tokenizer.ts';
import { aPod } from '../support/builders.ts';

const PROMPT: PromptRequest = {
  path: '/v1/completions',
  model: 'demo',
  adapter: undefined,
  salt: '',
  extraKey: '',
  content: { kind: 'text', text: 'Hi' },
  body: {},
  raw: new Uint8Array(),
};
const PODS: readonly Pod[] = [aPod()];

class Fake implements Tokenizer {
  readonly calls: unknown[][] = [];
  closed = 0;
  answer: () => Promise<Tokens>;

  constructor(answer: () => Promise<Tokens>) {
    this.answer = answer;
  }

  tokenize(...call: Parameters<Tokenizer['tokenize']>): Promise<Tokens> {
    this.calls.push(call);
    return this.answer();
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

describe('a tokenizer with a fallback', () => {
  const remote: Tokens = { space: 'engine', ids: Uint32Array.of(1) };
  const local: Tokens = { space: 'character', ids: Uint32Array.of(2) };
  const failing = (error: Error) => new Fake(() => Promise.reject(error));
  const { signal } = new AbortController();

  async function caught(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => assert.fail('it did not fail'),
      (error: unknown) => error,
    );
  }

  it('asks the first and leaves the second alone', async () => {
    const [first, second] = [new Fake(async () => remote), new Fake(async () => local)];
    assert.strictEqual(await withFallback(first, second).tokenize(PROMPT, PODS, signal), remote);
    assert.deepEqual(first.calls, [[PROMPT, PODS, signal]]);
    assert.isEmpty(second.calls);
  });

  for (const kind of ['unavailable', 'refused', 'timeout'] as const) {
    it(`asks the second the same when the first fails: ${kind}`, async () => {
      const second = new Fake(async () => local);
      const both = withFallback(failing(new TokenizerError(kind, 'no')), second);
      assert.strictEqual(await both.tokenize(PROMPT, PODS, signal), local);
      assert.deepEqual(second.calls, [[PROMPT, PODS, signal]]);
    });
  }

  it('fails as the second when both fail', async () => {
    const error = new TokenizerError('refused', 'second');
    const both = withFallback(failing(new TokenizerError('timeout', 'first')), failing(error));
    assert.strictEqual(await caught(both.tokenize(PROMPT, PODS, signal)), error);
  });

  it('does not ask the second for a caller that has gone', async () => {
    const error = new TokenizerError('aborted', 'gone');
    const second = new Fake(async () => local);
    const work = withFallback(failing(error), second).tokenize(PROMPT, PODS, AbortSignal.abort());
    assert.strictEqual(await caught(work), error);
    assert.isEmpty(second.calls);
  });

  it('does not hide a bug of the first', async () => {
    const error = new TypeError('a bug');
    const second = new Fake(async () => local);
    const work = withFallback(failing(error), second).tokenize(PROMPT, PODS, signal);
    assert.strictEqual(await caught(work), error);
    assert.isEmpty(second.calls);
  });

  it('closes both', async () => {
    const [first, second] = [new Fake(async () => remote), new Fake(async () => local)];
    await withFallback(first, second).close();
    assert.deepEqual([first.closed, second.closed], [1, 1]);
  });
});
