import { assert } from 'chai';
import { AGENT_REQUESTS } from '../../../scripts/vllm-agents.ts';
import { tokenizeBodies } from '../../../src/prompt/engine/tokenize-bodies.ts';
import { parsePrompt } from '../../../src/prompt/request.ts';
import { deepFreeze } from '../../support/deep-freeze.ts';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';

function bodyOf(path: string, body: object): unknown {
  const parsed = parsePrompt(path, undefined, Buffer.from(JSON.stringify({ model: 'm', ...body })));
  if (parsed.kind !== 'prompt') assert.fail(`not a prompt: ${JSON.stringify(parsed.error)}`);
  deepFreeze(parsed.prompt.body);
  const [text] = tokenizeBodies(parsed.prompt);
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
      { type: 'text', text: 'b' },
    ],
  },
  {
    role: 'assistant',
    content: null,
    reasoning: 'r',
    reasoning_content: 'r',
    tool_calls: [{ id: 'c', type: 'function', function: {} }],
  },
  { role: 'tool', tool_call_id: 'c', content: '7 C' },
];

const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,' } }] };
const encrypted = { type: 'reasoning', summary: [], encrypted_content: 'x' };
const listed = { type: 'tool_result', content: [{ type: 'text', text: 'x' }] };
const addition = {
  role: 'system',
  content: [{ type: 'tool_addition', tool: { type: 'tool_reference', name: 'f' } }],
};
const REMINDER = '<system-reminder>\nAs you answer, mind this.\n</system-reminder>';
/** The numbers of a tool's schema, as written. */
const numbers = '{"minimum":1.0,"maximum":12345678901234567890,"default":1e3}';

describe('tokenizeBodies', () => {
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
      {
        messages: [hi],
        reasoning_effort: 'low',
        documents: [{ text: 'd' }],
        chat_template_kwargs: {
          a: 1,
          reasoning_effort: 'low',
          enable_thinking: true,
          documents: [{ text: 'd' }],
        },
      },
    ],
    [
      'a chat with template arguments only',
      CHAT,
      { messages: [hi], reasoning_effort: 'low', chat_template_kwargs: 'wrong' },
      {
        messages: [hi],
        reasoning_effort: 'low',
        chat_template_kwargs: { reasoning_effort: 'low', enable_thinking: true },
      },
    ],
    [
      'a chat whose thinking the client has switched itself',
      CHAT,
      { messages: [hi], reasoning_effort: 'none', chat_template_kwargs: { enable_thinking: true } },
      {
        messages: [hi],
        reasoning_effort: 'none',
        chat_template_kwargs: { reasoning_effort: 'none', enable_thinking: true },
      },
    ],
    [
      'a chat, with what SGLang knows by its name',
      CHAT,
      { messages: [hi], tools, tool_choice: 'none', reasoning: { enabled: true } },
      { messages: [hi], tools, tool_choice: 'none', reasoning: { enabled: true } },
    ],
    [
      'a chat with reasoning by its older name',
      CHAT,
      { messages: [hi, { role: 'assistant', content: 'x', reasoning_content: 'r' }] },
      { messages: [hi, { role: 'assistant', content: 'x', reasoning: 'r', reasoning_content: 'r' }] },
    ],
    ['a response', RESPONSES, { input: 'hi' }, { messages: [hi], add_special_tokens: true }],
    [
      'a response with instructions and effort',
      RESPONSES,
      { input: 'hi', instructions: 'Be brief.', reasoning: { effort: 'low' }, tools: [] },
      {
        messages: [{ role: 'system', content: 'Be brief.' }, hi],
        reasoning_effort: 'low',
        chat_template_kwargs: { reasoning_effort: 'low', enable_thinking: true },
        add_special_tokens: true,
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
          { role: 'assistant', content: 'b' },
        ],
        add_special_tokens: true,
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

  describe('of an agent', () => {
    for (const request of AGENT_REQUESTS) {
      it(`has a form for ${request.what}`, () => assert.isDefined(bodyOf(request.path, request.body)));
    }

    it('makes a chat of tool calls and their results', () => {
      const request = AGENT_REQUESTS.find(({ what }) => what === 'messages: a result and the user’s words');
      const { messages, tools } = bodyOf(MESSAGES, request!.body) as {
        readonly messages: readonly Record<string, unknown>[];
        readonly tools: readonly { readonly function: object }[];
      };
      assert.deepEqual(
        messages.map(({ role, content }) => [
          role,
          typeof content === 'string' ? content.slice(0, 9) : content,
        ]),
        [
          ['system', 'You are C'],
          [
            'user',
            [
              { type: 'text', text: REMINDER },
              { type: 'text', text: 'Why does the test fail?' },
            ],
          ],
          ['assistant', 'I’ll run '],
          ['tool', 'ok'],
          [
            'user',
            [
              { type: 'text', text: 'Go on.' },
              { type: 'text', text: 'Please.' },
            ],
          ],
        ],
      );
      assert.sameMembers(Object.keys(tools[0]!.function), ['name', 'description', 'parameters']);
    });

    it('makes one message of an assistant’s items', () => {
      const request = AGENT_REQUESTS.find(
        ({ what }) => what === 'responses: reasoning, a call and its output',
      );
      const { messages } = bodyOf(RESPONSES, request!.body) as { readonly messages: readonly object[] };
      assert.deepEqual(messages[3], {
        role: 'assistant',
        reasoning: 'I should look.',
        reasoning_content: 'I should look.',
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'shell', arguments: '{"command":["ls"]}' } },
        ],
      });
    });
  });

  it('writes numbers as they were', () => {
    const body = `{"model":"m","messages":[],"tools":[{"type":"function","function":${numbers}}]}`;
    const parsed = parsePrompt(CHAT, undefined, Buffer.from(body.replace('[]', '[{}]')));
    if (parsed.kind !== 'prompt') assert.fail('not a prompt');
    assert.include(tokenizeBodies(parsed.prompt)[0], numbers);
  });

  it('tries both places of reminders, and both efforts of disabled thinking', () => {
    const messages = [hi, { role: 'system', content: 'mind this' }, hi];
    const body = { model: 'm', system: 'first, ', messages, thinking: { type: 'disabled' } };
    const parsed = parsePrompt(MESSAGES, undefined, Buffer.from(JSON.stringify(body)));
    if (parsed.kind !== 'prompt') assert.fail('not a prompt');
    const tried = tokenizeBodies(parsed.prompt).map(text => {
      const { messages, reasoning_effort } = JSON.parse(text);
      return `${messages.map(({ content }: { content: string }) => content).join('|')} ${reasoning_effort}`;
    });
    assert.deepEqual(tried, [
      'first, |hi|mind this|hi none',
      'first, mind this|hi|hi none',
      'first, |hi|mind this|hi low',
      'first, mind this|hi|hi low',
    ]);
  });

  for (const [path, body] of [
    [CHAT, { messages: [hi, image, hi] }],
    [RESPONSES, { input: [hi, { role: 'user', content: [{ type: 'input_image' }] }] }],
    [MESSAGES, { messages: [hi, { role: 'user', content: [{ type: 'image', source: {} }] }] }],
  ] as const) {
    it(`writes what stands before the first image of ${path}`, () => {
      const { messages, add_generation_prompt } = bodyOf(path, body) as Record<string, unknown>;
      assert.deepEqual([messages, add_generation_prompt], [[hi], false]);
    });
  }

  const formless: [string, string, object][] = [
    ['a prompt that is cut after tokenizing', COMPLETIONS, { prompt: 'x', truncate_prompt_tokens: 5 }],
    ['token ids', COMPLETIONS, { prompt: [1] }],
    ['a request without a prompt', '/v1/rerank', {}],
    ['a response that continues another', RESPONSES, { input: 'x', previous_response_id: 'r' }],
    ['a response to a stored prompt', RESPONSES, { input: 'x', prompt: { id: 'p' } }],
    [
      'a response to a tool call without arguments',
      RESPONSES,
      { input: [{ type: 'function_call', name: 'f' }] },
    ],
    ['a response to reasoning that is encrypted', RESPONSES, { input: [encrypted] }],
    ['a response to an item that vLLM does not know', RESPONSES, { input: [{ type: 'web_search_call' }] }],
    ['a response with tools that are none', RESPONSES, { input: 'x', tools: 5 }],
    ['a completion with something behind it', COMPLETIONS, { prompt: 'x', suffix: 'y' }],
    ['a chat that begins with an image', CHAT, { messages: [image] }],
    ['numbered members, whose order is lost', CHAT, { messages: [hi], tools: [{ b: 1, 2: 3 }] }],
    ['a response to an image', RESPONSES, { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }],
    ['a response to a message without role', RESPONSES, { input: [{ content: 'x' }] }],
    ['a response to a message without content', RESPONSES, { input: [{ role: 'user' }] }],
    ['messages with a tool that has no schema', MESSAGES, { messages: [hi], tools: [{ name: 'f' }] }],
    ['messages with tools that are none', MESSAGES, { messages: [hi], tools: 5 }],
    ['messages with thinking that is none', MESSAGES, { messages: [hi], thinking: 5 }],
    [
      'messages with a call without id',
      MESSAGES,
      { messages: [{ role: 'assistant', content: [{ type: 'tool_use' }] }] },
    ],
    [
      'messages with a list that an assistant got',
      MESSAGES,
      { messages: [{ role: 'assistant', content: [listed] }] },
    ],
    ['messages with a document', MESSAGES, { messages: [{ role: 'user', content: [{ type: 'document' }] }] }],
    ['messages with a tool added that nobody knows', MESSAGES, { messages: [addition], tools: [] }],
    ['messages with a role that is none', MESSAGES, { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages without a role', MESSAGES, { messages: [{ content: 'x' }] }],
    ['messages with a part that is none', MESSAGES, { messages: [{ role: 'user', content: ['x'] }] }],
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
      adapter: undefined,
      salt: '',
      extraKey: '',
      content: { kind: 'chat' },
      body,
      raw: Buffer.alloc(0),
    } as const;
    assert.isEmpty(tokenizeBodies(prompt));
  });
});
