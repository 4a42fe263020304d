import { assert } from 'chai';
import { messagesChat } from '../../src/prompt/chat/messages-chat.ts';
import { responsesChat } from '../../src/prompt/chat/responses-chat.ts';
import { at, Bench, eventStreamData, type Json, post } from './helpers.ts';

const SCHEMA = {
  type: 'object',
  properties: {
    city: { type: 'string', enum: ['Tromsø', 'Oslo'] },
    note: { type: 'string' },
    days: { type: 'integer' },
    hourly: { type: 'boolean' },
    units: { type: 'array', items: { type: 'number' } },
    anything: {},
  },
  required: ['city'],
};
const ARGUMENTS = { city: 'Tromsø', note: 'atlas', days: 7, hourly: true, units: [7], anything: null };
const WRITTEN = JSON.stringify(ARGUMENTS);

const FUNCTION = { name: 'weather', description: 'The weather', parameters: SCHEMA };
const CHAT_TOOLS = [{ type: 'function', function: FUNCTION }];
const RESPONSES_TOOLS = [{ type: 'function', ...FUNCTION }];
const MESSAGES_TOOLS = [{ name: 'weather', description: 'The weather', input_schema: SCHEMA }];
const USER = {
  role: 'user',
  content: 'How is the weather up there, and will it be any better by the weekend?',
};
const REASONS = { chat_template_kwargs: { enable_thinking: true } };

describe('tools and reasoning of the simulated engine', () => {
  const bench = new Bench();
  afterEach(() => bench.close());

  const whole = async (path: string, body: object) => {
    const engine = await bench.engine();
    const answer = await post(engine, path, body);
    assert.equal(answer.status, 200, answer.text);
    const events = eventStreamData((await post(engine, path, { ...body, stream: true })).text);
    return { engine, json: answer.json, events };
  };
  const joined = (events: readonly Json[], type: string, ...path: string[]) =>
    events
      .filter(event => at(event, 'type') === type)
      .map(event => at(event, ...path))
      .join('');

  for (const [choice, finish] of [
    ['required', 'tool_calls'],
    [{ type: 'function', function: { name: 'weather' } }, 'stop'],
  ] as const) {
    it(`a chat has the call that tool_choice forces, with arguments that fit: ${JSON.stringify(choice)}`, async () => {
      const body = { messages: [USER], tools: CHAT_TOOLS, tool_choice: choice };
      const { json, events } = await whole('/v1/chat/completions', body);
      assert.deepInclude(at(json, 'choices', 0) as object, { finish_reason: finish });
      assert.deepEqual(at(json, 'choices', 0, 'message', 'tool_calls', 0, 'function'), {
        name: 'weather',
        arguments: WRITTEN,
      });
      const choices = events.slice(0, -1).map(event => at(event, 'choices', 0));
      const parts = choices.flatMap(each => (at(each, 'delta', 'tool_calls') ?? []) as Json[]);
      assert.match(at(parts[0]!, 'id') as string, /^chatcmpl-tool-/);
      assert.equal(at(parts[0]!, 'function', 'name'), 'weather');
      assert.equal(parts.map(part => at(part, 'function', 'arguments') ?? '').join(''), WRITTEN);
      assert.equal(at(choices.at(-1)!, 'finish_reason'), finish);
    });
  }

  it('a response has it as an item', async () => {
    const body = {
      input: 'Weather?',
      tools: RESPONSES_TOOLS,
      tool_choice: { type: 'function', name: 'weather' },
    };
    const { json, events } = await whole('/v1/responses', { ...body, ...REASONS });
    const [reasoning, call] = at(json, 'output') as Json[];
    assert.deepInclude(call as object, { type: 'function_call', name: 'weather', arguments: WRITTEN });
    assert.equal(joined(events, 'response.function_call_arguments.delta', 'delta'), WRITTEN);
    const thought = at(reasoning!, 'content', 0, 'text');
    assert.equal(joined(events, 'response.reasoning_text.delta', 'delta'), thought);
    assert.deepEqual(
      (at(events.at(-1)!, 'response', 'output') as Json[]).map(item => at(item, 'type')),
      ['reasoning', 'function_call'],
    );
    assert.equal(at(json, 'usage', 'output_tokens_details', 'reasoning_tokens'), 12);
  });

  it('a message has it as a block, behind what was thought', async () => {
    const body = { max_tokens: 200, messages: [USER], tools: MESSAGES_TOOLS, tool_choice: { type: 'any' } };
    const { json, events } = await whole('/v1/messages', { ...body, thinking: { type: 'enabled' } });
    assert.deepEqual(
      (at(json, 'content') as Json[]).map(block => at(block, 'type')),
      ['thinking', 'tool_use'],
    );
    assert.deepEqual(at(json, 'content', 1, 'input'), ARGUMENTS);
    assert.equal(at(json, 'stop_reason'), 'tool_use');
    const starts = events.filter(event => at(event, 'type') === 'content_block_start');
    assert.deepEqual(
      starts.map(event => [at(event, 'index'), at(event, 'content_block', 'type')]),
      [
        [0, 'thinking'],
        [1, 'tool_use'],
      ],
    );
    assert.equal(joined(events, 'content_block_delta', 'delta', 'partial_json'), WRITTEN);
    assert.equal(
      joined(events, 'content_block_delta', 'delta', 'thinking'),
      at(json, 'content', 0, 'thinking'),
    );
    assert.equal(joined(events, 'message_delta', 'delta', 'stop_reason'), 'tool_use');
  });

  it('a call that is cut short is text', async () => {
    const body = { messages: [USER], tools: CHAT_TOOLS, tool_choice: 'required', max_tokens: 12 };
    const { json } = await whole('/v1/chat/completions', body);
    assert.equal(at(json, 'choices', 0, 'finish_reason'), 'length');
    assert.match(at(json, 'choices', 0, 'message', 'content') as string, /^<tool_call>\n\{"name": "weather"/);
    const { json: message } = await whole('/v1/messages', {
      ...{ max_tokens: 40, messages: [USER], tools: MESSAGES_TOOLS, tool_choice: { type: 'any' } },
      ...REASONS,
    });
    assert.deepEqual(
      (at(message, 'content') as Json[]).map(block => at(block, 'type')),
      ['thinking', 'text'],
    );
    assert.match(at(message, 'content', 1, 'text') as string, /^<tool_call>/);
    assert.equal(at(message, 'stop_reason'), 'max_tokens');
  });

  it('finds calls and reasoning again when they come back as history', async () => {
    const { engine, json } = await whole('/v1/messages', {
      ...{ max_tokens: 200, messages: [USER], tools: MESSAGES_TOOLS, tool_choice: { type: 'any' } },
      ...REASONS,
    });
    const result = { type: 'tool_result', tool_use_id: at(json, 'content', 1, 'id'), content: '7 C' };
    const next = await post(engine, '/v1/messages', {
      max_tokens: 1,
      messages: [
        USER,
        { role: 'assistant', content: at(json, 'content') },
        { role: 'user', content: [result] },
      ],
      tools: MESSAGES_TOOLS,
    });
    const usage = at(json, 'usage') as Record<string, number>;
    // All of prompt and answer but for the end token, in full blocks.
    const computed =
      usage.input_tokens! +
      usage.cache_creation_input_tokens! +
      usage.cache_read_input_tokens! +
      usage.output_tokens! -
      1;
    assert.equal(at(next.json, 'usage', 'cache_read_input_tokens'), computed - (computed % 16));
  });

  it('makes a chat of messages and responses as the router does for /tokenize', async () => {
    const engine = await bench.engine();
    const call = { city: 'Oslo', days: 2 };
    const messages = {
      max_tokens: 1,
      system: [
        { type: 'text', text: 'You are brief.', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: ' And polite.' },
      ],
      tools: MESSAGES_TOOLS,
      messages: [
        USER,
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm.', signature: 's' },
            { type: 'text', text: 'I shall look.' },
            { type: 'tool_use', id: 't', name: 'weather', input: call },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: '7 C' }] },
            { type: 'text', text: 'So?' },
          ],
        },
      ],
    };
    const responses = {
      instructions: 'You are brief.',
      tools: [...RESPONSES_TOOLS, { type: 'web_search' }],
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'Weather?' }] },
        { type: 'reasoning', id: 'r', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'I shall look.' }] },
        { type: 'function_call', call_id: 'c', name: 'weather', arguments: '{ "city": "Oslo" }' },
        { type: 'function_call_output', call_id: 'c', output: '7 C' },
        { role: 'assistant', content: 'Cold.' },
        { role: 'user', content: 'So?' },
      ],
    };
    for (const [path, body, chat] of [
      ['/v1/messages', messages, messagesChat(messages, { inlineSystem: 'keep', disabledEffort: 'none' })],
      ['/v1/responses', responses, responsesChat(responses)],
    ] as const) {
      const rendered = await post(engine, `${path}/render`, body);
      const tokenized = await post(engine, '/tokenize', { messages: chat?.messages, ...chat?.fields });
      assert.deepEqual(at(tokenized.json, 'tokens'), at(rendered.json, 'token_ids'), path);
    }
  });

  it('takes arguments that are no JSON for none, as vLLM does', async () => {
    const engine = await bench.engine();
    const tokensWith = async (written: string) => {
      const call = { id: 'c', type: 'function', function: { name: 'weather', arguments: written } };
      const messages = [USER, { role: 'assistant', content: null, tool_calls: [call] }];
      return at((await post(engine, '/tokenize', { messages })).json, 'tokens');
    };
    assert.deepEqual(await tokensWith('{"city":'), await tokensWith('{}'));
  });

  it('embeds as base64, too', async () => {
    const engine = await bench.engine();
    const embed = async (more: object) =>
      at((await post(engine, '/v1/embeddings', { input: 'one', ...more })).json, 'data', 0, 'embedding');
    const floats = (await embed({})) as number[];
    const bytes = Buffer.from((await embed({ encoding_format: 'base64' })) as string, 'base64');
    const decoded = floats.map((_, i) => bytes.readFloatLE(4 * i));
    assert.lengthOf(bytes, 4 * floats.length);
    for (const [i, float] of floats.entries()) assert.closeTo(decoded[i]!, float, 1e-6);
  });
});
