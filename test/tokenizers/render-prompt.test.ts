/** What templates get to see is what a vLLM 0.32 showed of the same requests, by a template that prints all of it. */
import { assert } from 'chai';
import { KnownBodies } from '../../src/prompt/known/known-bodies.ts';
import { parsePrompt } from '../../src/prompt/request.ts';
import { ChunkedText } from '../../src/tokenizers/chunked-text.ts';
import type { ChatTemplate } from '../../src/tokenizers/rendering/chat-templates.ts';
import type { ContentFormat } from '../../src/tokenizers/rendering/conversation.ts';
import {
  createChatRenderer,
  type RenderedPrompt,
  renderPrompt,
} from '../../src/tokenizers/rendering/render-prompt.ts';
import { deepFreeze } from '../support/deep-freeze.ts';

type Variables = Readonly<Record<string, unknown>>;

/** With its text as a string. */
type Rendered =
  | { readonly kind: 'text'; readonly text: string; readonly specialTokens: string }
  | Extract<RenderedPrompt, { readonly kind: 'unrendered' }>;

/** What `print` gives is cut into chunks. */
interface FakeTemplate extends Partial<Omit<ChatTemplate, 'render'>> {
  readonly print?: (variables: Variables) => string;
}

/** A template that shows its variables as JSON. */
function template({
  print = variables => JSON.stringify(variables),
  ...more
}: FakeTemplate = {}): ChatTemplate {
  return {
    ...{ contentFormat: 'string', knowsDeveloper: true, dependsOnTime: false, source: 'content' },
    render(variables) {
      const text = print(variables);
      return new ChunkedText([text.slice(0, 9), text.slice(9)]);
    },
    ...more,
  };
}

function rendered(
  path: string,
  body: object | string,
  more: FakeTemplate = {},
  toolUse?: ChatTemplate,
): Rendered {
  const raw = typeof body === 'string' ? body : JSON.stringify({ model: 'm', ...body });
  const parsed = parsePrompt(path, 'application/json', Buffer.from(raw));
  if (parsed.kind === 'invalid') throw new Error(parsed.error.kind);
  const templates = { default: template(more), toolUse, specialTokens: { eos_token: '</s>' } };
  const renderer = createChatRenderer(templates);
  // Bodies share their objects, and what was shown of these is kept.
  const prompt = deepFreeze(parsed.prompt.body) && parsed.prompt;
  const [first, again] = [textOf(renderPrompt(prompt, renderer)), textOf(renderPrompt(prompt, renderer))];
  assert.deepEqual(again, first);
  return first;
}

function textOf(prompt: RenderedPrompt): Rendered {
  return prompt.kind === 'text' ? { ...prompt, text: String(prompt.text) } : prompt;
}

function shown(path: string, body: object | string, more: FakeTemplate = {}): Variables {
  const result = rendered(path, body, more);
  if (result.kind !== 'text') throw new Error(result.why);
  return JSON.parse(result.text);
}

const CHAT = '/v1/chat/completions';
const user = (content: unknown) => ({ role: 'user', content });
const call = (given: unknown, more: object = {}) => ({
  ...{ id: 'c', type: 'function', function: { name: 'f', arguments: given } },
  ...more,
});
const messagesShown = (messages: readonly object[], format: ContentFormat = 'string') =>
  shown(CHAT, { messages }, { contentFormat: format }).messages;
const why = (result: Rendered) => (result.kind === 'unrendered' ? result.why : undefined);

describe('prompts as templates see them', () => {
  it('are those of each template, also of messages that another one has shown', () => {
    const messages = [user('a'), { role: 'assistant', tool_calls: [call('{"x":1.0}')] }];
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const renderer = createChatRenderer({
      ...{ default: template(), toolUse: template({ contentFormat: 'openai' }), specialTokens: {} },
    });
    const prompt = (path: string, body: object) => {
      const parsed = parsePrompt(path, undefined, Buffer.from(JSON.stringify({ model: 'm', ...body })));
      return parsed.kind === 'prompt' ? parsed.prompt : assert.fail(parsed.error.kind);
    };
    const plain = prompt(CHAT, { messages });
    const shared = { ...prompt(CHAT, { messages, tools }), body: { ...plain.body, tools } };
    const contents = [plain, shared, plain, shared].map(each => {
      const result = textOf(renderPrompt(each, renderer));
      return result.kind === 'text' ? JSON.parse(result.text).messages[0].content : result.why;
    });
    const parts = [{ type: 'text', text: 'a' }];
    assert.deepEqual(contents, ['a', parts, 'a', parts]);
  });

  it('have numbers as their client wrote them, whatever another body had beside equal tools', () => {
    const renderer = createChatRenderer({ default: template(), toolUse: undefined, specialTokens: {} });
    const bodies = new KnownBodies(1_000_000);
    const written = (x: string) =>
      `[{"type":"function","function":{"name":"f","description":"${'d'.repeat(9_000)}","parameters":{"x":${x}}}}]`;
    const show = (beside: string) => {
      const raw = `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":${written('1.0')}${beside}}`;
      const parsed = parsePrompt(CHAT, undefined, Buffer.from(raw), undefined, bodies);
      if (parsed.kind !== 'prompt') assert.fail(parsed.error.kind);
      const result = textOf(renderPrompt(parsed.prompt, renderer));
      return result.kind === 'text' ? result.text : result.why;
    };
    show(`,"metadata":${written('1')}`);
    assert.include(show(''), '"x":1.0');
    assert.include(show(',"user":"x"'), '"x":1.0');
  });

  describe('of chats', () => {
    it('have vLLM’s defaults, and the special tokens', () => {
      assert.deepEqual(shown(CHAT, { messages: [user('Hi')] }), {
        ...{ eos_token: '</s>', tools: null, documents: null, add_generation_prompt: true },
        messages: [{ role: 'user', content: 'Hi' }],
      });
    });

    const CONTENTS: readonly [what: string, content: unknown, text: string, parts: unknown][] = [
      ['a text', 'a', 'a', [{ type: 'text', text: 'a' }]],
      ['none', null, '', []],
      [
        'parts',
        [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
        'a\nb',
        [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      ],
      ['a part without its text', [{ type: 'text', text: null }], '', []],
      [
        'an empty part',
        [
          { type: 'text', text: '' },
          { type: 'text', text: 'b' },
        ],
        'b',
        [
          { type: 'text', text: '' },
          { type: 'text', text: 'b' },
        ],
      ],
      [
        'further members',
        [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' }, foo: 1, name: 'n' }],
        'a',
        [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' }, foo: 1 }],
      ],
      [
        'other kinds of text',
        [
          { type: 'thinking', thinking: 'hm', closed: true },
          { type: 'refusal', refusal: 'no' },
        ],
        'hm\nno',
        [
          { type: 'text', text: 'hm' },
          { type: 'text', text: 'no' },
        ],
      ],
    ];
    for (const [what, content, text, parts] of CONTENTS) {
      it(`contents: ${what}`, () => {
        const messages = [{ role: 'assistant', content }];
        assert.deepEqual(messagesShown(messages), [{ role: 'assistant', content: text }]);
        assert.deepEqual(messagesShown(messages, 'openai'), [{ role: 'assistant', content: parts }]);
      });
    }

    it('calls have their arguments as objects, and what schemas do not know behind it', () => {
      const messages = [
        { role: 'assistant', content: null, tool_calls: [call('{"a": 1}', { index: 0 })] },
        {
          role: 'tool',
          tool_call_id: 'c',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
          name: 'f',
          x: 1,
        },
      ];
      const expected = [
        {
          ...{ role: 'assistant', content: '' },
          tool_calls: [{ id: 'c', function: { arguments: { a: 1 }, name: 'f' }, type: 'function', index: 0 }],
        },
        { role: 'tool', content: 'a\nb', tool_call_id: 'c', name: 'f' },
      ];
      assert.equal(JSON.stringify(messagesShown(messages)), JSON.stringify(expected));
      assert.deepEqual((messagesShown(messages, 'openai') as object[])[1], expected[1]);
    });

    for (const [given, expected] of [
      ['{oops', {}],
      ['[1]', {}],
      ['', {}],
      ['{"a":{"b":[null]}}', { a: { b: [null] } }],
    ] as const) {
      it(`arguments ${JSON.stringify(given)}`, () => {
        const shown = messagesShown([{ role: 'assistant', tool_calls: [call(given)] }]);
        const [message] = shown as [{ tool_calls: [{ function: { arguments: unknown } }] }];
        assert.deepEqual(message.tool_calls[0].function.arguments, expected);
      });
    }

    it('reasoning by either name is shown by both', () => {
      const both = { role: 'assistant', content: 'a', reasoning: 'r', reasoning_content: 'r' };
      for (const name of ['reasoning', 'reasoning_content'])
        assert.deepEqual(messagesShown([{ role: 'assistant', content: 'a', [name]: 'r' }]), [both]);
      assert.deepEqual(messagesShown([{ ...user('a'), reasoning: 'r', tool_calls: [] }]), [user('a')]);
      assert.deepEqual(messagesShown([{ role: 'assistant', content: 'a', tool_calls: [] }]), [
        { role: 'assistant', content: 'a' },
      ]);
    });

    it('Claude Code’s attribution is left out of the system’s texts', () => {
      const header = 'x-anthropic-billing-header: cch=1';
      const system = (content: unknown) => ({ role: 'system', content });
      assert.deepEqual(messagesShown([system(`${header}\nrest`)]), [system('rest')]);
      assert.deepEqual(messagesShown([system(header)], 'openai'), [system([])]);
      assert.deepEqual(
        messagesShown([
          system([
            { type: 'text', text: header },
            { type: 'text', text: 'b' },
          ]),
        ]),
        [system('b')],
      );
      assert.deepEqual(messagesShown([user(header)]), [user(header)]);
    });

    it('developers become the system where a template does not know them', () => {
      const messages = [{ role: 'system', content: 's' }, { role: 'developer', content: 'd' }, user('x')];
      assert.deepEqual(shown(CHAT, { messages }, { knowsDeveloper: false }).messages, [
        { role: 'system', content: 's\n\nd' },
        user('x'),
      ]);
      assert.deepEqual(shown(CHAT, { messages: messages.slice(1) }, { knowsDeveloper: false }).messages, [
        { role: 'system', content: 'd' },
        user('x'),
      ]);
      assert.deepEqual(messagesShown(messages.slice(1)), [
        { role: 'developer', content: 'd', tools: null },
        user('x'),
      ]);
    });

    it('tools have what vLLM’s schema has, in its order', () => {
      const tools = [
        {
          type: 'function',
          function: { parameters: { b: 1, a: {} }, strict: null, name: 'f', extra: 1 },
          x: 2,
        },
        { type: 'function', defer_loading: true, function: { name: 'g', description: 'd', strict: true } },
      ];
      const expected = [
        { type: 'function', function: { name: 'f', description: null, parameters: { b: 1, a: {} } } },
        {
          type: 'function',
          function: { name: 'g', description: 'd', parameters: null, strict: true, defer_loading: true },
          defer_loading: true,
        },
      ];
      assert.equal(
        JSON.stringify(shown(CHAT, { messages: [user('x')], tools }).tools),
        JSON.stringify(expected),
      );
    });

    it('template arguments win over special tokens, and efforts switch thinking', () => {
      const chat_template_kwargs = { style: 'terse', eos_token: '!', documents: [{ a: 'b' }] };
      const variables = shown(CHAT, {
        messages: [user('x')],
        chat_template_kwargs,
        reasoning_effort: 'none',
      });
      assert.include(variables, {
        style: 'terse',
        eos_token: '!',
        enable_thinking: false,
        reasoning_effort: 'none',
      });
      assert.deepEqual(variables.documents, [{ a: 'b' }]);
    });

    it('numbers are printed as they were written', () => {
      const body = `{"model":"m","messages":[{"role":"user","content":"2.0"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"minimum":1.0,"x":1e3,"n":7}}}]}`;
      const result = rendered(CHAT, body);
      assert.include((result as { text: string }).text, '"minimum":1.0,"x":1e3,"n":7');
      const called = rendered(CHAT, {
        messages: [{ role: 'assistant', tool_calls: [call('{"big": 12345678901234567890}')] }],
      });
      assert.include((called as { text: string }).text, '12345678901234567890');
    });

    it('a template of its own is taken for tools', () => {
      const toolUse = template({ print: () => 'for tools' });
      const tools = [{ type: 'function', function: { name: 'f' } }];
      const withTools = rendered(CHAT, { messages: [user('x')], tools }, {}, toolUse);
      assert.deepEqual(withTools, { kind: 'text', text: 'for tools', specialTokens: 'as_written' });
      assert.include(
        (rendered(CHAT, { messages: [user('x')] }, {}, toolUse) as { text: string }).text,
        '"x"',
      );
    });

    it('a final message to go on with ends the text', () => {
      const body = {
        messages: [user('Count'), { role: 'assistant', content: ' One, two, ' }],
        ...{ add_generation_prompt: false, continue_final_message: true },
      };
      const plain = (strip: (text: string) => string): FakeTemplate => ({
        source: 'content',
        print: ({ messages }) =>
          (messages as { content: string }[]).map(({ content }) => `<${strip(content)}>`).join(''),
      });
      assert.deepInclude(
        rendered(
          CHAT,
          body,
          plain(text => text),
        ),
        { text: '<Count>< One, two, ' },
      );
      assert.deepInclude(
        rendered(
          CHAT,
          body,
          plain(text => text.trim()),
        ),
        { text: '<Count><One, two,' },
      );
      assert.equal(why(rendered(CHAT, body, { print: () => 'nothing of it' })), 'template');
      assert.equal(why(rendered(CHAT, body, { source: 'no such member' })), 'template');
    });
  });

  it('responses name a call before its arguments, and have the tokenizer’s own special tokens', () => {
    const input = [user('x'), { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"a":1}' }];
    const result = rendered('/v1/responses', { input, instructions: 'Be brief.' });
    assert.deepInclude(result, { kind: 'text', specialTokens: 'added' });
    const { messages } = JSON.parse((result as { text: string }).text);
    assert.equal(
      JSON.stringify(messages.at(-1).tool_calls),
      '[{"id":"c","function":{"name":"f","arguments":{"a":1}},"type":"function"}]',
    );
    assert.deepEqual(messages[0], { role: 'system', content: 'Be brief.' });
  });

  describe('of messages', () => {
    const inline = { messages: [user('a'), { role: 'system', content: 's' }, user('b')], system: 'first ' };

    it('keep the system between others, or have it at the start where a template wants it there', () => {
      assert.deepEqual(shown('/v1/messages', inline).messages, [
        { role: 'system', content: 'first ' },
        user('a'),
        { role: 'system', content: 's' },
        user('b'),
      ]);
      const strict: FakeTemplate = {
        print(variables) {
          const messages = variables.messages as { role: string }[];
          if (messages.slice(1).some(({ role }) => role === 'system')) throw new Error('system first');
          return JSON.stringify(variables);
        },
      };
      assert.deepEqual(shown('/v1/messages', inline, strict).messages, [
        { role: 'system', content: 'first s' },
        user('a'),
        user('b'),
      ]);
    });

    it('say that thinking is off as the template understands it', () => {
      const body = { messages: [user('a')], thinking: { type: 'disabled' } };
      assert.include(shown('/v1/messages', body), { reasoning_effort: 'none', enable_thinking: false });
      const deaf: FakeTemplate = {
        print: ({ messages, reasoning_effort }) =>
          JSON.stringify({ messages, reasoning_effort: reasoning_effort === 'low' ? 'low' : 'max' }),
      };
      assert.include(shown('/v1/messages', body, deaf), { reasoning_effort: 'low' });
    });
  });

  it('a text is itself, with special tokens unless they are not wanted', () => {
    assert.deepEqual(rendered('/v1/completions', { prompt: ['a', 'b'] }), {
      kind: 'text',
      text: 'a',
      specialTokens: 'added',
    });
    assert.deepInclude(rendered('/v1/completions', { prompt: 'a', add_special_tokens: false }), {
      specialTokens: 'as_written',
    });
  });

  describe('are the engine’s', () => {
    const x = [user('x')];
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const LEFT: readonly [
      what: string,
      path: string,
      body: object,
      why: string,
      more?: Partial<ChatTemplate>,
    ][] = [
      ['images', CHAT, { messages: [user([{ type: 'image_url', image_url: { url: 'u' } }])] }, 'media'],
      ['parts without a type', CHAT, { messages: [user([{ text: 'a' }])] }, 'media'],
      ['a template of the client’s', CHAT, { messages: x, chat_template: 't' }, 'form'],
      ['a cut prompt', CHAT, { messages: x, truncate_prompt_tokens: 5 }, 'form'],
      ['a suffix', '/v1/completions', { prompt: 'a', suffix: 'b' }, 'form'],
      ['tokens of a prefill', CHAT, { messages: x, kv_transfer_params: { prompt_token_ids: [1] } }, 'form'],
      ['tools that are not to be called', CHAT, { messages: x, tools, tool_choice: 'none' }, 'form'],
      [
        'tools of another type',
        CHAT,
        { messages: x, tools: [{ type: 'x', function: { name: 'f' } }] },
        'form',
      ],
      [
        'tools with strange switches',
        CHAT,
        { messages: x, tools: [{ type: 'function', function: { name: 'f', strict: 'yes' } }] },
        'form',
      ],
      ['both ends of a chat', CHAT, { messages: x, continue_final_message: true }, 'form'],
      ['arguments for transformers', CHAT, { messages: x, chat_template_kwargs: { tools: [] } }, 'form'],
      ['arguments that are unset', CHAT, { messages: x, chat_template_kwargs: { style: null } }, 'form'],
      ['arguments “auto”', CHAT, { messages: x, chat_template_kwargs: { enable_thinking: 'auto' } }, 'form'],
      [
        'numbered members',
        CHAT,
        { messages: [{ role: 'assistant', tool_calls: [call('{"2":1,"1":2}')] }] },
        'form',
      ],
      [
        'numbers of Python’s',
        CHAT,
        { messages: [{ role: 'assistant', tool_calls: [call('{"a":NaN}')] }] },
        'form',
      ],
      [
        'calls of another type',
        CHAT,
        { messages: [{ role: 'assistant', tool_calls: [call('{}', { type: 'custom' })] }] },
        'form',
      ],
      ['tools of a developer', CHAT, { messages: [{ role: 'developer', content: 'd', tools }] }, 'form'],
      ['a role that is none', CHAT, { messages: [{ role: 1, content: 'd' }] }, 'form'],
      ['content that is none', CHAT, { messages: [user({ a: 1 })] }, 'form'],
      ['responses that the engine keeps', '/v1/responses', { input: 'x', previous_response_id: 'r' }, 'form'],
      ['responses that are cut', '/v1/responses', { input: 'x', truncation: 'auto' }, 'form'],
      [
        'what a template refuses',
        CHAT,
        { messages: x },
        'template',
        {
          render() {
            throw new Error('no');
          },
        },
      ],
    ];
    for (const [what, path, body, reason, more] of LEFT)
      it(what, () => assert.equal(why(rendered(path, body, more)), reason));

    it('numbered members of tools, whose order is lost', () => {
      const body =
        '{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"b":1,"2":1}}}]}';
      assert.equal(why(rendered(CHAT, body)), 'form');
    });

    it('chats of a model without a template', () => {
      const parsed = parsePrompt(CHAT, undefined, Buffer.from(JSON.stringify({ model: 'm', messages: x })));
      assert.equal(parsed.kind, 'prompt');
      if (parsed.kind === 'prompt')
        assert.deepInclude(renderPrompt(parsed.prompt, undefined), { why: 'no_template' });
    });
  });
});
