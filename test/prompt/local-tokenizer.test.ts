import { assert } from 'chai';
import { decode, encode } from 'gpt-tokenizer/encoding/cl100k_base';
import { createLocalTokenizer } from '../../src/prompt/local-tokenizer.ts';
import { parsePrompt } from '../../src/prompt/request.ts';

const signal = new AbortController().signal;

function promptOf(path: string, body: object) {
  const parsed = parsePrompt(path, undefined, Buffer.from(JSON.stringify({ model: 'm', ...body })));
  if (parsed.kind !== 'prompt') assert.fail('not a prompt');
  return parsed.prompt;
}

const text = (prompt: unknown) => promptOf('/v1/completions', { prompt });

describe('a local tokenizer with a bound', () => {
  for (const kind of ['character', 'tiktoken'] as const) {
    it(`encodes the start of a long text only, the same for all that begin with it (${kind})`, async () => {
      const tokenizer = createLocalTokenizer(kind, 100);
      const start = 'Warm blocks are found. '.repeat(40);
      const one = await tokenizer.tokenize(text(`${start}One end`), [], signal);
      const other = await tokenizer.tokenize(text(`${start}${'and another '.repeat(10_000)}`), [], signal);
      assert.deepEqual(one.ids, other.ids);
      assert.isAtLeast(one.ids.length, 100);
      assert.isAtMost(one.ids.length, 800);
    });
  }
});

describe('createLocalTokenizer', () => {
  it('makes every UTF-8 byte a token in character mode', async () => {
    const tokenizer = createLocalTokenizer('character');
    assert.deepEqual(await tokenizer.tokenize(text('aü🙂'), [], signal), {
      space: 'character',
      ids: Uint32Array.of(0x61, 0xc3, 0xbc, 0xf0, 0x9f, 0x99, 0x82),
    });
    await tokenizer.close();
  });

  it('joins the messages of a chat', async () => {
    const tokenizer = createLocalTokenizer('character');
    const chat = promptOf('/v1/chat/completions', { messages: [{ content: 'a' }, { content: 'b' }] });
    assert.deepEqual((await tokenizer.tokenize(chat, [], signal)).ids, Uint32Array.of(0x61, 0x20, 0x62));
  });

  it('encodes with cl100k_base in tiktoken mode', async () => {
    const tokenizer = createLocalTokenizer('tiktoken');
    assert.deepEqual(await tokenizer.tokenize(text('hello world'), [], signal), {
      space: 'tiktoken',
      ids: Uint32Array.of(15339, 1917),
    });
    assert.lengthOf((await tokenizer.tokenize(text(''), [], signal)).ids, 0);
  });

  it('encodes the names of special tokens as text', async () => {
    const { ids } = await createLocalTokenizer('tiktoken').tokenize(text('<|endoftext|>'), [], signal);
    assert.isAbove(ids.length, 1);
    assert.notInclude([...ids], 100257);
  });

  // Without cutting, each of these takes longer than a test may.
  for (const [what, unit] of [
    ['letters', 'a'],
    ['white space', ' '],
    ['signs', '=-'],
    ['characters outside the BMP', 'a𐍈'],
  ] as const) {
    it(`encodes a very long run of ${what}, of which a prefix has the same tokens`, async () => {
      const tokenizer = createLocalTokenizer('tiktoken');
      const long = `Look: ${unit.repeat(100_000)} and more`;
      const { ids } = await tokenizer.tokenize(text(long), [], signal);
      const prefix = await tokenizer.tokenize(text(long.slice(0, 1000)), [], signal);
      assert.isAbove(prefix.ids.length, 6);
      // The last tokens of a prefix depend on what follows.
      const settled = prefix.ids.subarray(0, -3);
      assert.deepEqual(ids.subarray(0, settled.length), settled);
      assert.equal(decode(prefix.ids), long.slice(0, 1000));
    });
  }

  it('encodes ordinary text in one piece', async () => {
    const ordinary = 'Grüße, wie geht’s? 日本語 🙂\n\n\tif (a === b) { return 12345; }  '.repeat(50);
    const { ids } = await createLocalTokenizer('tiktoken').tokenize(text(ordinary), [], signal);
    assert.deepEqual(ids, Uint32Array.from(encode(ordinary)));
  });

  for (const kind of ['character', 'tiktoken'] as const) {
    it(`keeps token ids in its own space in ${kind} mode`, async () => {
      const tokens = await createLocalTokenizer(kind).tokenize(text([5, 4294967295]), [], signal);
      assert.deepEqual(tokens, { space: kind, ids: Uint32Array.of(5, 4294967295) });
    });
  }

  it('has no tokens for a request without a prompt', async () => {
    const tokenizing = createLocalTokenizer('character').tokenize(promptOf('/v1/rerank', {}), [], signal);
    assert.instanceOf(await tokenizing.catch((error: unknown) => error), TypeError);
  });
});
