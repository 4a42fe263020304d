import { assert } from 'chai';
import { parsePrompt } from '../../src/prompt/request.ts';
import { tokenizeBody } from '../../src/prompt/tokenize-bodies.ts';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';

function bodyOf(path: string, body: object): unknown {
  const parsed = parsePrompt(path, undefined, Buffer.from(JSON.stringify({ model: 'm', ...body })));
  if (parsed.kind !== 'prompt') assert.fail(`not a prompt: ${JSON.stringify(parsed.error)}`);
  const text = tokenizeBody(parsed.prompt);
  return text === undefined ? undefined : JSON.parse(text);
}

const hi = { role: 'user', content: 'hi' };
const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
const history = [
  { role: 'system', content: 'Be brief.', name: 's' },
  {
    role: 'user',
    content: [
      { type: 'text', text: 'a' },
      { type: 'image_url', image_url: { url: 'data:,' } },
    ],
  },
  {
    role: 'assistant',
    content: null,
    reasoning: 'r',
    tool_calls: [{ id: 'c', type: 'function', function: {} }],
  },
  { role: 'tool', tool_call_id: 'c', content: '7 C' },
];

describe('tokenizeBody', () => {
  const forms: [string, string, object, object][] = [
    ['a text', COMPLETIONS, { prompt: 'x' }, { prompt: 'x', add_special_tokens: true }],
    [
      'the first of several texts',
      COMPLETIONS,
      { prompt: ['x', 'y'] },
      { prompt: 'x', add_special_tokens: true },
    ],
    [
      'a text with its own add_special_tokens',
      COMPLETIONS,
      { prompt: 'x', add_special_tokens: false, return_token_strs: true, max_tokens: 5, cache_salt: 's' },
      { prompt: 'x', add_special_tokens: false },
    ],
    ['a chat, with every field of its messages', CHAT, { messages: history }, { messages: history }],
    [
      'a chat, with every field that changes the tokens and no other',
      CHAT,
      {
        messages: [hi],
        tools,
        chat_template: '{{ messages }}',
        chat_template_kwargs: { enable_thinking: false },
        add_generation_prompt: false,
        continue_final_message: true,
        add_special_tokens: true,
        media_io_kwargs: { video: {} },
        mm_processor_kwargs: { a: 1 },
        stream: true,
        temperature: 0,
        cache_salt: 's',
        return_token_strs: true,
        documents: null,
      },
      {
        messages: [hi],
        tools,
        chat_template: '{{ messages }}',
        chat_template_kwargs: { enable_thinking: false },
        add_generation_prompt: false,
        continue_final_message: true,
        add_special_tokens: true,
        media_io_kwargs: { video: {} },
        mm_processor_kwargs: { a: 1 },
      },
    ],
    [
      'a chat, with what the template gets as arguments',
      CHAT,
      { messages: [hi], reasoning_effort: 'low', documents: [{ text: 'd' }], chat_template_kwargs: { a: 1 } },
      { messages: [hi], chat_template_kwargs: { a: 1, reasoning_effort: 'low', documents: [{ text: 'd' }] } },
    ],
    [
      'a chat with template arguments only',
      CHAT,
      { messages: [hi], reasoning_effort: 'low', chat_template_kwargs: 'wrong' },
      { messages: [hi], chat_template_kwargs: { reasoning_effort: 'low' } },
    ],
    ['a response', RESPONSES, { input: 'hi' }, { messages: [hi] }],
    [
      'a response with instructions and effort',
      RESPONSES,
      { input: 'hi', instructions: 'Be brief.', reasoning: { effort: 'low' }, tools: [] },
      {
        messages: [{ role: 'system', content: 'Be brief.' }, hi],
        chat_template_kwargs: { reasoning_effort: 'low' },
      },
    ],
    [
      'a response to messages',
      RESPONSES,
      {
        input: [
          { type: 'message', role: 'developer', content: 'd' },
          { role: 'user', content: [{ type: 'input_text', text: 'a' }] },
          { role: 'assistant', content: [{ type: 'output_text', text: 'b', annotations: [] }] },
        ],
      },
      {
        messages: [
          { role: 'developer', content: 'd' },
          { role: 'user', content: [{ type: 'text', text: 'a' }] },
          { role: 'assistant', content: [{ type: 'text', text: 'b' }] },
        ],
      },
    ],
    ['messages', MESSAGES, { messages: [hi], max_tokens: 5 }, { messages: [hi] }],
    [
      'messages with a system text',
      MESSAGES,
      { system: 'Be brief.', messages: [hi], chat_template_kwargs: { a: 1 } },
      { messages: [{ role: 'system', content: 'Be brief.' }, hi], chat_template_kwargs: { a: 1 } },
    ],
    ['messages with an empty system text', MESSAGES, { system: '', messages: [hi] }, { messages: [hi] }],
    [
      'messages of blocks',
      MESSAGES,
      {
        system: [
          { type: 'text', text: 'a', cache_control: { type: 'ephemeral' } },
          { type: 'text', text: 'b' },
        ],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'c' }] },
          {
            role: 'assistant',
            content: [
              { type: 'text', text: 'd' },
              { type: 'text', text: 'e' },
            ],
          },
        ],
      },
      {
        messages: [
          { role: 'system', content: 'ab' },
          { role: 'user', content: 'c' },
          {
            role: 'assistant',
            content: [
              { type: 'text', text: 'd' },
              { type: 'text', text: 'e' },
            ],
          },
        ],
      },
    ],
  ];
  for (const [what, path, body, expected] of forms) {
    it(`writes ${what}`, () => assert.deepEqual(bodyOf(path, body), { model: 'm', ...expected }));
  }

  const formless: [string, string, object][] = [
    ['a prompt that is cut after tokenizing', COMPLETIONS, { prompt: 'x', truncate_prompt_tokens: 5 }],
    ['token ids', COMPLETIONS, { prompt: [1] }],
    ['a request without a prompt', '/v1/rerank', {}],
    ['a response that continues another', RESPONSES, { input: 'x', previous_response_id: 'r' }],
    ['a response to a stored prompt', RESPONSES, { input: 'x', prompt: { id: 'p' } }],
    ['a response with tools', RESPONSES, { input: 'x', tools }],
    ['a response to a tool call', RESPONSES, { input: [{ type: 'function_call', name: 'f' }] }],
    ['a response to an image', RESPONSES, { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }],
    ['a response to a message without role', RESPONSES, { input: [{ content: 'x' }] }],
    ['a response to a message without content', RESPONSES, { input: [{ role: 'user' }] }],
    ['messages with tools', MESSAGES, { messages: [hi], tools }],
    ['messages with thinking', MESSAGES, { messages: [hi], thinking: { type: 'enabled' } }],
    ['messages with an image', MESSAGES, { messages: [{ role: 'user', content: [{ type: 'image' }] }] }],
    ['messages without a role', MESSAGES, { messages: [{ content: 'x' }] }],
    ['messages with a part that is none', MESSAGES, { messages: [{ role: 'user', content: ['x'] }] }],
    [
      'messages with a text that is none',
      MESSAGES,
      { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
    ],
    ['messages with another kind of system', MESSAGES, { messages: [hi], system: 5 }],
  ];
  for (const [what, path, body] of formless) {
    it(`has no form for ${what}`, () => assert.isUndefined(bodyOf(path, body)));
  }

  it('has no form for nesting that cannot be written', () => {
    const content: unknown[] = [];
    for (let depth = 0, inner = content; depth < 100_000; depth++) {
      const next: unknown[] = [];
      inner.push(next);
      inner = next;
    }
    const body = { model: 'm', messages: [{ role: 'user', content }] };
    const prompt = {
      path: CHAT,
      model: 'm',
      salt: '',
      content: { kind: 'chat' },
      body,
      raw: Buffer.alloc(0),
    } as const;
    assert.isUndefined(tokenizeBody(prompt));
  });
});
