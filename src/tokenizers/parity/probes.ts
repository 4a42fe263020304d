/**
 * Requests that an engine and we tokenize when a tokenizer is loaded, so that it is known to be the engine's before it is used. Short,
 * so that they cost the engine little, and of all that templates and tokenizers differ by.
 */
import type { PromptPath } from '../../prompt/paths.ts';

/** Languages, digits, white space, what looks like special tokens, and what normalizers change. */
const TEXTS = [
  'Hello, world! It’s 12:34 on 2024-05-06; isn’t it? 1234567890 3.14159',
  '  indented\n\n\tand\r\n    more   \n def f(x):\n    return {"a": [1, 2, 3]}  # ok',
  'Ünïcödé: 你好，世界。こんにちは 안녕하세요 Привет مرحبا नमस्ते 👩‍👩‍👧‍👦 🇩🇪 e\u0301 \ufb01',
  '<|im_start|> <s> [INST] <|endoftext|> </s> <|eot_id|> <start_of_turn> <｜User｜> ▁ <0x0A>',
] as const;

const TOOL = {
  name: 'get_weather',
  description: 'The weather of a city, today.',
  parameters: {
    type: 'object',
    properties: {
      city: { type: 'string', enum: ['Paris', 'São Paulo'] },
      days: { type: 'integer', minimum: 1 },
    },
    required: ['city'],
  },
};

const CALL = {
  id: 'call_00001',
  type: 'function',
  function: { name: TOOL.name, arguments: '{"city": "Paris", "days": 2}' },
};

/** The endpoints whose prompts are tokenized. */
export const PROBED_PATHS = [
  ...['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages'],
] as const satisfies readonly PromptPath[];

export type ProbedPath = (typeof PROBED_PATHS)[number];

/** Bodies without a model. The first of each path is one that every engine takes. */
export const PROBES: Readonly<Record<ProbedPath, readonly Readonly<Record<string, unknown>>[]>> = {
  '/v1/completions': TEXTS.map(prompt => ({ prompt, max_tokens: 1 })),
  '/v1/chat/completions': [
    { messages: [{ role: 'user', content: TEXTS[0] }], max_tokens: 1 },
    {
      messages: [
        { role: 'system', content: TEXTS[1] },
        { role: 'user', content: TEXTS[2] },
        { role: 'assistant', content: ` ${TEXTS[0]}\n` },
        { role: 'user', content: [{ type: 'text', text: TEXTS[3] }] },
      ],
      max_tokens: 1,
    },
    {
      messages: [
        { role: 'user', content: 'What is the weather?' },
        { role: 'assistant', content: null, tool_calls: [CALL] },
        { role: 'tool', tool_call_id: CALL.id, content: '{"sky":"clear"}' },
      ],
      tools: [{ type: 'function', function: TOOL }],
      max_tokens: 1,
    },
  ],
  '/v1/responses': [
    { input: TEXTS[0], max_output_tokens: 16 },
    {
      instructions: TEXTS[1],
      input: [
        { role: 'user', content: [{ type: 'input_text', text: TEXTS[2] }] },
        { type: 'function_call', call_id: CALL.id, name: TOOL.name, arguments: CALL.function.arguments },
        { type: 'function_call_output', call_id: CALL.id, output: 'clear' },
      ],
      tools: [{ type: 'function', ...TOOL, strict: false }],
      max_output_tokens: 16,
    },
  ],
  '/v1/messages': [
    { messages: [{ role: 'user', content: TEXTS[0] }], max_tokens: 1 },
    {
      system: TEXTS[1],
      messages: [
        { role: 'user', content: [{ type: 'text', text: TEXTS[2] }] },
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: CALL.id, name: TOOL.name, input: { city: 'Paris' } }],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: CALL.id, content: 'clear' }] },
      ],
      tools: [{ name: TOOL.name, description: TOOL.description, input_schema: TOOL.parameters }],
      max_tokens: 1,
    },
  ],
};
