import { gzipSync } from 'node:zlib';
import { assert } from 'chai';
import fc from 'fast-check';
import { type ParsedPrompt, type PromptRequest, parsePrompt, promptText } from '../../src/prompt/request.ts';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';
const TOKENS_IN = '/inference/v1/generate';
const GENERATE = '/generate';
const JSON_TYPE = 'application/json';

const PATHS = [
  TOKENS_IN,
  GENERATE,
  CHAT,
  COMPLETIONS,
  RESPONSES,
  MESSAGES,
  '/v1/embeddings',
  '/v1/rerank',
  '/v1/classify',
  '/v1/score',
  '/v1/images/generations',
  '/v1/images/edits',
  '/v1/video/generations',
  '/v1/audio/transcriptions',
  '/v1/audio/translations',
  '/v1/audio/speech',
];

function parse(path: string, body: unknown): ParsedPrompt {
  return parsePrompt(path, JSON_TYPE, Buffer.from(JSON.stringify(body)));
}

function valid(parsed: ParsedPrompt): PromptRequest {
  if (parsed.kind !== 'prompt') assert.fail(`expected a prompt, got ${JSON.stringify(parsed.error)}`);
  return parsed.prompt;
}

function mistake(parsed: ParsedPrompt): { message: string; param: string | null } {
  if (parsed.kind !== 'invalid' || parsed.error.kind !== 'malformed_body') assert.fail('expected a mistake');
  return { message: parsed.error.message, param: parsed.error.param };
}

const user = (content: unknown) => ({ role: 'user', content });

describe('parsePrompt', () => {
  const good: [string, string, unknown, PromptRequest['content']][] = [
    ['a chat', CHAT, { messages: [user('hi')] }, { kind: 'chat' }],
    ['a chat without content', CHAT, { messages: [{ role: 'assistant', content: null }] }, { kind: 'chat' }],
    ['Anthropic messages', MESSAGES, { system: 's', messages: [user('hi')] }, { kind: 'messages' }],
    ['a response to a string', RESPONSES, { input: '' }, { kind: 'responses' }],
    ['a response to items', RESPONSES, { input: [user('hi')] }, { kind: 'responses' }],
    ['a text', COMPLETIONS, { prompt: 'Hello' }, { kind: 'text', text: 'Hello' }],
    ['an empty text', COMPLETIONS, { prompt: '' }, { kind: 'text', text: '' }],
    ['the first of several texts', COMPLETIONS, { prompt: ['a', 'b'] }, { kind: 'text', text: 'a' }],
    [
      'token ids',
      COMPLETIONS,
      { prompt: [0, 7, 4294967295] },
      { kind: 'tokens', ids: Uint32Array.of(0, 7, 4294967295) },
    ],
    [
      'the first of several lists of token ids',
      COMPLETIONS,
      { prompt: [[1, 2], [3]] },
      { kind: 'tokens', ids: Uint32Array.of(1, 2) },
    ],
    ['embeddings instead of a text', COMPLETIONS, { prompt: null, prompt_embeds: 'AAAA' }, { kind: 'none' }],
    ['tokens in', TOKENS_IN, { token_ids: [1, 2] }, { kind: 'tokens', ids: Uint32Array.of(1, 2) }],
    ['tokens in, with images', TOKENS_IN, { token_ids: [1], features: {} }, { kind: 'none' }],
    ["SGLang's text", GENERATE, { text: 'Hi' }, { kind: 'text', text: 'Hi' }],
    ["the first of SGLang's texts", GENERATE, { text: ['a', 'b'] }, { kind: 'text', text: 'a' }],
    ["SGLang's token ids", GENERATE, { input_ids: [1] }, { kind: 'tokens', ids: Uint32Array.of(1) }],
    [
      "the first of SGLang's lists of token ids",
      GENERATE,
      { input_ids: [[1], [2]] },
      { kind: 'tokens', ids: Uint32Array.of(1) },
    ],
    ["SGLang's text with an adapter", GENERATE, { text: 'Hi', lora_path: 'a' }, { kind: 'text', text: 'Hi' }],
    ["nothing in SGLang's own words", GENERATE, { text: 5, input_ids: 'x' }, { kind: 'none' }],
    ['a rerank', '/v1/rerank', { query: 'q', documents: ['d'] }, { kind: 'none' }],
    ['an embedding', '/v1/embeddings', { input: 'x' }, { kind: 'none' }],
  ];
  for (const [what, path, body, content] of good) {
    it(`reads ${what}`, () => {
      const prompt = valid(parse(path, { model: 'm', ...(body as object) }));
      assert.deepEqual(prompt.content, content);
      assert.equal(prompt.model, 'm');
    });
  }

  it('keeps the body as parsed and as sent, and drops the query of the path', () => {
    const raw = Buffer.from('{"model": "m",  "prompt": "x", "extra": [1]}');
    const prompt = valid(parsePrompt(`${COMPLETIONS}?a=b?c`, JSON_TYPE, raw));
    assert.equal(prompt.path, COMPLETIONS);
    assert.strictEqual(prompt.raw, raw);
    assert.deepEqual(prompt.body, { model: 'm', prompt: 'x', extra: [1] });
  });

  it('reads a path as the engine would serve it', () => {
    const prompt = valid(
      parsePrompt(`/${COMPLETIONS}//?a=b`, JSON_TYPE, Buffer.from('{"model":"m","prompt":"x"}')),
    );
    assert.deepEqual([prompt.path, prompt.content.kind], [COMPLETIONS, 'text']);
  });

  it('gives a body that names no model the default one, where there is one', () => {
    const form = Buffer.from('--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n');
    const json = Buffer.from('{"text":"x"}');
    assert.equal(valid(parsePrompt(GENERATE, JSON_TYPE, json, 'd')).model, 'd');
    const type = 'multipart/form-data; boundary=b';
    assert.equal(valid(parsePrompt('/v1/audio/translations', type, form, 'd')).model, 'd');
    assert.equal(mistake(parsePrompt(GENERATE, JSON_TYPE, Buffer.from('{"model":""}'), 'd')).param, 'model');
    assert.equal(mistake(parsePrompt(GENERATE, JSON_TYPE, json)).param, 'model');
  });

  for (const [given, adapter, extraKey] of [
    [{}, undefined, ''],
    [{ lora_path: null, extra_key: null }, undefined, ''],
    [{ lora_path: '', extra_key: '' }, undefined, ''],
    [{ lora_path: 'sql', extra_key: 'tenant' }, 'sql', '"tenant"'],
    [{ lora_path: ['sql', 'chat'], extra_key: ['a', 'b'] }, 'sql', '["a","b"]'],
    [{ lora_path: [null, 'chat'], extra_key: 7 }, undefined, '7'],
    [{ lora_path: 7 }, undefined, ''],
  ] as const) {
    it(`reads what else SGLang’s cache key depends on: ${JSON.stringify(given)}`, () => {
      const parsed = valid(parse(COMPLETIONS, { model: 'm', prompt: 'Hi', ...given }));
      assert.deepInclude(parsed, { adapter, extraKey });
    });
  }

  it('does not care about the content type of JSON', () => {
    for (const type of [undefined, 'text/plain', JSON_TYPE, 'multipart/form-data; boundary=x']) {
      assert.equal(valid(parsePrompt(CHAT, type, Buffer.from('{"model":"m","messages":[{}]}'))).model, 'm');
    }
  });

  for (const [salt, expected] of [
    [undefined, ''],
    [null, ''],
    ['', ''],
    ['tenant-a', 'tenant-a'],
  ]) {
    it(`reads cache_salt ${JSON.stringify(salt)} as "${expected}"`, () => {
      assert.equal(valid(parse(COMPLETIONS, { model: 'm', prompt: 'x', cache_salt: salt })).salt, expected!);
    });
  }

  it('takes the last of duplicated keys, as engines do', () => {
    const raw = Buffer.from('{"model":"a","model":"b","prompt":"x","prompt":"y"}');
    const prompt = valid(parsePrompt(COMPLETIONS, JSON_TYPE, raw));
    assert.deepEqual([prompt.model, prompt.content], ['b', { kind: 'text', text: 'y' }]);
  });

  it('takes no fields from a prototype', () => {
    const raw = Buffer.from('{"__proto__":{"model":"m","prompt":"x"},"constructor":1}');
    assert.deepEqual(mistake(parsePrompt(COMPLETIONS, JSON_TYPE, raw)).param, 'model');
  });

  const SECRET = 'hunter2';
  const prompts = "'prompt' must be a string, an array of strings or an array of token ids";
  const bad: [string, unknown, string, string | null][] = [
    [CHAT, [SECRET], 'request body must be a JSON object', null],
    [CHAT, SECRET, 'request body must be a JSON object', null],
    [CHAT, null, 'request body must be a JSON object', null],
    [CHAT, { messages: [user(SECRET)] }, "'model' is a required property", 'model'],
    [CHAT, { model: '', messages: [user(SECRET)] }, "'model' is a required property", 'model'],
    [CHAT, { model: null, messages: [user(SECRET)] }, "'model' is a required property", 'model'],
    [CHAT, { model: [SECRET], messages: [user('x')] }, "'model' must be a string", 'model'],
    [CHAT, { model: 1, messages: [user('x')] }, "'model' must be a string", 'model'],
    [CHAT, { model: 'm' }, 'no messages in the request body', 'messages'],
    [CHAT, { model: 'm', messages: null }, 'no messages in the request body', 'messages'],
    [CHAT, { model: 'm', messages: [] }, 'no messages in the request body', 'messages'],
    [CHAT, { model: 'm', messages: SECRET }, "'messages' must be an array", 'messages'],
    [CHAT, { model: 'm', messages: [SECRET] }, "'messages' must be an array of objects", 'messages'],
    [CHAT, { model: 'm', messages: [null] }, "'messages' must be an array of objects", 'messages'],
    [MESSAGES, { model: 'm', messages: [[]] }, "'messages' must be an array of objects", 'messages'],
    [MESSAGES, { model: 'm' }, 'no messages in the request body', 'messages'],
    [RESPONSES, { model: 'm' }, "'input' is a required property", 'input'],
    [RESPONSES, { model: 'm', input: 5 }, "'input' must be a string or an array of input items", 'input'],
    [
      RESPONSES,
      { model: 'm', input: [SECRET] },
      "'input' must be a string or an array of input items",
      'input',
    ],
    [RESPONSES, { model: 'm', input: [] }, "'input' array cannot be empty", 'input'],
    [COMPLETIONS, { model: 'm' }, "'prompt' is a required property", 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: [] }, "'prompt' array cannot be empty", 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: { a: SECRET } }, prompts, 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: [1, SECRET] }, prompts, 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: [[1], [SECRET]] }, prompts, 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: [-1] }, prompts, 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: [1.5] }, prompts, 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: [4294967296] }, prompts, 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: [null] }, prompts, 'prompt'],
    [COMPLETIONS, { model: 'm', prompt: 'x', cache_salt: 5 }, "'cache_salt' must be a string", 'cache_salt'],
    [TOKENS_IN, { model: 'm' }, "'token_ids' must be an array of token ids", 'token_ids'],
    [
      TOKENS_IN,
      { model: 'm', token_ids: [SECRET] },
      "'token_ids' must be an array of token ids",
      'token_ids',
    ],
    ['/v1/embeddings', { input: SECRET }, "'model' is a required property", 'model'],
  ];
  for (const [path, body, message, param] of bad) {
    it(`answers ${path} ${JSON.stringify(body)} with: ${message}`, () => {
      assert.deepEqual(mistake(parse(path, body)), { message, param });
    });
  }

  const unreadable: [string, Uint8Array, string][] = [
    ['nothing', Buffer.alloc(0), 'it is empty'],
    [
      'half an object',
      Buffer.from('{"model":"hunter2"'),
      'invalid JSON: unexpected end at position 18 (line 1, column 19)',
    ],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xc3, 0xa9, 0xff, 0x22, 0x7d]), 'invalid UTF-8 at byte 4'],
    ['half a character', Buffer.from([0x7b, 0x22, 0xc3]), 'invalid UTF-8 at byte 2'],
    [
      'NaN, which Python would read',
      Buffer.from('{"model":"m",\n "prompt":NaN}'),
      'invalid JSON: unexpected character at position 24 (line 2, column 11)',
    ],
    ['a gzip stream', gzipSync('{}'), 'invalid UTF-8 at byte 1'],
  ];
  for (const [what, raw, why] of unreadable) {
    it(`answers ${what} with what is wrong, without quoting it`, () => {
      assert.deepEqual(mistake(parsePrompt(COMPLETIONS, JSON_TYPE, raw)), {
        message: `error processing request body: ${why}`,
        param: null,
      });
    });
  }

  it('survives nesting deeper than the stack', () => {
    const depth = 200_000;
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    const parsed = parsePrompt(
      CHAT,
      JSON_TYPE,
      Buffer.from(`{"model":"m","messages":[{"content":${nested}}]}`),
    );
    if (parsed.kind === 'prompt') assert.equal(promptText(parsed.prompt), '');
    assert.equal(parsePrompt(COMPLETIONS, JSON_TYPE, Buffer.from(nested)).kind, 'invalid');
  });

  it('never throws, whatever the bytes', () => {
    const path = fc.constantFrom(...PATHS, '/v1/models');
    const type = fc.constantFrom(undefined, JSON_TYPE, 'multipart/form-data; boundary=b', 'multipart/x');
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map(text => Buffer.from(text)),
      fc
        .record({
          model: fc.constantFrom('m', '', 1),
          prompt: fc.jsonValue(),
          messages: fc.oneof(fc.jsonValue(), fc.array(fc.record({ content: fc.jsonValue() }))),
          input: fc.jsonValue(),
        })
        .map(body => Buffer.from(JSON.stringify(body))),
      fc
        .array(fc.constantFrom('--b', '\r\n', '--', 'Content-Disposition: form-data; name="model"', 'x'))
        .map(parts => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(path, type, bytes, (path, type, raw) => {
        const parsed = parsePrompt(path, type, raw);
        if (parsed.kind === 'prompt') assert.isString(promptText(parsed.prompt));
        else assert.equal(parsed.error.kind, 'malformed_body');
      }),
    );
  });
});

describe('promptText', () => {
  const textOf = (path: string, body: object) => promptText(valid(parse(path, { model: 'm', ...body })));

  it('joins the contents of messages with blanks, structured content as JSON', () => {
    const messages = [
      { role: 'system', content: 'Be "brief".' },
      user([{ type: 'text', text: 'one' }]),
      { role: 'assistant', content: null, tool_calls: [] },
      { role: 'assistant' },
      user({ a: 1 }),
    ];
    const expected = 'Be "brief". [{"type":"text","text":"one"}]   {"a":1}';
    assert.equal(textOf(CHAT, { messages }), expected);
    assert.equal(textOf(MESSAGES, { messages, system: 'ignored' }), expected);
    assert.equal(textOf(RESPONSES, { input: messages }), expected);
  });

  it('is the text itself where there is one, and empty for token ids and other endpoints', () => {
    assert.equal(textOf(RESPONSES, { input: 'in' }), 'in');
    assert.equal(textOf(COMPLETIONS, { prompt: ['a', 'b'] }), 'a');
    assert.equal(textOf(COMPLETIONS, { prompt: [1] }), '');
    assert.equal(textOf('/v1/rerank', {}), '');
  });
});
