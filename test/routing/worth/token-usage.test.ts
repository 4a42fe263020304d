import { assert } from 'chai';
import { AnswerTail, type TokenUsage, usageIn } from '../../../src/routing/worth/token-usage.ts';

const CHAT = '/v1/chat/completions';
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';

const sse = (...events: object[]) =>
  `${events.map(event => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`;
const chat = (usage: object | null, content = 'hi') => ({
  id: 'chatcmpl-1',
  choices: [{ message: { role: 'assistant', content } }],
  usage,
  prompt_logprobs: null,
});
const USAGE = { prompt_tokens: 100, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 96 } };

/** A client's. */
const TOOLS = [{ type: 'function', parameters: { type: 'object', usage: USAGE } }];

const rows: Readonly<Record<string, readonly [path: string, answer: string, TokenUsage | undefined]>> = {
  'a chat': [CHAT, JSON.stringify(chat(USAGE)), { promptTokens: 100, cachedTokens: 96, generatedTokens: 3 }],
  'one that is written with spaces': [
    CHAT,
    JSON.stringify(chat(USAGE), undefined, 2),
    { promptTokens: 100, cachedTokens: 96, generatedTokens: 3 },
  ],
  'one that tells no details': [
    CHAT,
    JSON.stringify(chat({ ...USAGE, prompt_tokens_details: null })),
    { promptTokens: 100, cachedTokens: undefined, generatedTokens: 3 },
  ],
  'the last event that has any': [
    CHAT,
    sse({ choices: [{}], usage: null }, { choices: [], usage: USAGE }, { choices: [], usage: null }),
    { promptTokens: 100, cachedTokens: 96, generatedTokens: 3 },
  ],
  'a response': [
    RESPONSES,
    JSON.stringify({
      output: [],
      usage: {
        input_tokens: 50,
        input_tokens_details: { cached_tokens: 48, per_turn: [] },
        output_tokens: 1,
      },
      user: null,
    }),
    { promptTokens: 50, cachedTokens: 48, generatedTokens: 1 },
  ],
  'a message, which counts what is cached apart': [
    MESSAGES,
    JSON.stringify({
      content: [],
      usage: {
        input_tokens: 4,
        cache_creation_input_tokens: 16,
        cache_read_input_tokens: 80,
        output_tokens: 1,
      },
    }),
    { promptTokens: 100, cachedTokens: 80, generatedTokens: 1 },
  ],
  'a message that tells nothing of a cache': [
    MESSAGES,
    JSON.stringify({ usage: { input_tokens: 4, cache_read_input_tokens: null, output_tokens: 1 } }),
    { promptTokens: 4, cachedTokens: undefined, generatedTokens: 1 },
  ],
  'nothing of a message’s end that counts the output alone': [
    MESSAGES,
    sse({ type: 'message_delta', usage: { output_tokens: 1 } }),
    undefined,
  ],
  'the engine’s own, not what the model writes': [
    CHAT,
    JSON.stringify(chat(USAGE, '"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":1}}')),
    { promptTokens: 100, cachedTokens: 96, generatedTokens: 3 },
  ],
  'nothing of what the model writes alone': [
    CHAT,
    sse({ choices: [{ delta: { content: JSON.stringify({ usage: USAGE }) } }] }),
    undefined,
  ],
  'nothing of a client’s that its response repeats, whole, begun or without an end': [
    RESPONSES,
    [
      JSON.stringify({ tools: TOOLS, usage: null }),
      sse({ type: 'response.created', response: { tools: TOOLS, text: TOOLS[0], usage: null } }),
      `data: {"type":"response.created","response":{"x":{"usage":${JSON.stringify(USAGE)}},`,
    ].join('\n'),
    undefined,
  ],
  'nothing of what the model calls a tool with': [
    MESSAGES,
    JSON.stringify({ content: [{ type: 'tool_use', input: { usage: { input_tokens: 9 } } }] }),
    undefined,
  ],
  'the event of a response’s end': [
    RESPONSES,
    sse({
      type: 'response.completed',
      response: { tools: TOOLS, usage: { input_tokens: 7, input_tokens_details: { cached_tokens: 5 } } },
    }),
    { promptTokens: 7, cachedTokens: 5, generatedTokens: undefined },
  ],
  'the one before, where the last is none': [
    CHAT,
    `{"usage":${JSON.stringify(USAGE)},"usage":{"x":"}\\"}"}}`,
    { promptTokens: 100, cachedTokens: 96, generatedTokens: 3 },
  ],
  'nothing that is cut': [CHAT, JSON.stringify(chat(USAGE)).slice(0, -60), undefined],
  'nothing that is no JSON': [CHAT, '{"usage":{prompt_tokens}}', undefined],
  'nothing that is endless': [CHAT, `{"usage":{"a":"${'x'.repeat(5_000)}"}}`, undefined],
  'no more cached tokens than there are': [
    CHAT,
    JSON.stringify(chat({ prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } })),
    undefined,
  ],
  'no count that is none': [
    CHAT,
    JSON.stringify([1.5, -1, '7', 1e300].map(prompt_tokens => ({ usage: { prompt_tokens } }))),
    undefined,
  ],
  'nothing of nothing': [CHAT, '', undefined],
};

describe('the usage at the end of an answer', () => {
  for (const [what, [path, answer, usage]] of Object.entries(rows))
    it(`is that of ${what}`, () => assert.deepEqual(usageIn(answer, path), usage));
});

describe('the tail of an answer', () => {
  it('is all of a short one, in however many parts it comes', () => {
    const tail = new AnswerTail();
    assert.isTrue(tail.isEmpty);
    for (const character of 'a short one') tail.push(Buffer.from(character));
    assert.isFalse(tail.isEmpty);
    assert.equal(tail.text(), 'a short one');
  });

  it('is the last 16 KiB of a long one, and no more is kept than what holds them', () => {
    const parts = Array.from({ length: 100 }, (_, i) => Buffer.alloc(1_000, `${i % 10}`));
    const tail = new AnswerTail();
    for (const part of parts) tail.push(part);
    assert.equal(tail.text(), Buffer.concat(parts).subarray(-16_384).toString());
    const large = new AnswerTail();
    large.push(Buffer.alloc(100_000, 'a'));
    large.push(Buffer.from('b'));
    assert.equal(large.text(), `${'a'.repeat(16_383)}b`);
  });

  it('is a copy: what it came in is not kept for it', () => {
    const message = Buffer.from('some text');
    const tail = new AnswerTail();
    tail.push(message.subarray(0, 4));
    message.fill('x');
    assert.equal(tail.text(), 'some');
  });
});
