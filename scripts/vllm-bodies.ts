/** Requests of all kinds, drawn by a seed: what clients may send that changes the tokens. For `npm run test:vllm`. */
import type { AgentRequest } from './vllm-agents.ts';
import { randomFrom } from './vllm-prompts.ts';

const PIECES = [
  'Hello, world!',
  ' ',
  '  ',
  '\n',
  '\n\n',
  '\t',
  '\r\n',
  ' leading',
  'trailing ',
  "it's",
  'I’ll',
  "WE'LL",
  '12345',
  '3.14',
  '-0.5e10',
  'Ünïcödé',
  'straße',
  'naïve café',
  'e\u0301',
  '\u1e9b\u0323',
  'ﬁ',
  '你好，世界',
  'これはテスト',
  '한국어',
  'Привет',
  'مرحبا',
  'नमस्ते',
  'ไทย',
  'שלום',
  '🙂',
  '👩‍👩‍👧‍👦',
  '🇩🇪🇫🇷',
  '👍🏽',
  '\u200b',
  '\ufeff',
  '\u00a0',
  '\u0085',
  '\u2028',
  '\x00',
  '\x1b[31m',
  '\x7f',
  '<|im_start|>',
  '<|im_end|>',
  '<|im_end',
  '</think>',
  '<think>',
  '<tool_call>',
  '[INST]',
  '<s>',
  '<|endoftext|>',
  '{{ x }}',
  '{% if %}',
  'function f(x) {\n  return x * 2; // ok\n}\n',
  'def f():\n    pass\n',
  '{"a": [1, 2.0, null], "b": {"c": "d\\n"}}',
  'SELECT * FROM t WHERE a >= 1;',
  'https://example.com/a?b=c&d=%20',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  '!!!???...',
  '========',
  '￿',
  '𝒳',
  '\ud83d\ude00',
  'ſ',
  'K',
  'ŉ',
] as const;

type Random = () => number;

const pick = <T>(random: Random, all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
const chance = (random: Random, share: number) => random() < share;
const list = <T>(random: Random, most: number, make: () => T): T[] =>
  Array.from({ length: 1 + Math.floor(random() * most) }, make);
const text = (random: Random) =>
  list(random, 12, () => pick(random, PIECES)).join(chance(random, 0.5) ? ' ' : '');

/** A value as arguments and schemas have them; numbers are ones that JavaScript prints as they are. */
function value(random: Random, depth = 0): unknown {
  const kind = Math.floor(random() * (depth > 2 ? 5 : 7));
  switch (kind) {
    case 0:
      return text(random);
    case 1:
      return pick(random, [0, 1, -7, 42, 1_000_000, 0.5, -2.25, 1e-7, 123456.789]);
    case 2:
      return pick(random, [true, false, null]);
    case 3:
      return '';
    case 4:
      return pick(random, PIECES);
    case 5:
      return list(random, 3, () => value(random, depth + 1));
    default:
      return Object.fromEntries(
        list(random, 3, () => [`k ${pick(random, PIECES)}`, value(random, depth + 1)]),
      );
  }
}

const schema = (random: Random) => ({
  type: 'object',
  properties: Object.fromEntries(
    list(random, 3, () => [
      pick(random, ['path', 'city', 'größe', 'x y']),
      {
        type: 'string',
        description: text(random),
        ...(chance(random, 0.3) && { enum: list(random, 3, () => text(random)) }),
      },
    ]),
  ),
  ...(chance(random, 0.5) && { required: ['path'], additionalProperties: false }),
});

const argumentsOf = (random: Random) =>
  Object.fromEntries(list(random, 3, () => [pick(random, ['path', 'n', 'größe']), value(random)]));

function chat(random: Random): object {
  const tools = chance(random, 0.4)
    ? list(random, 3, () => ({
        type: 'function',
        function: {
          name: pick(random, ['read_file', 'search', 'run']),
          ...(chance(random, 0.8) && { description: text(random) }),
          ...(chance(random, 0.9) && { parameters: schema(random) }),
          ...(chance(random, 0.2) && { strict: true }),
        },
      }))
    : undefined;
  const content = () =>
    chance(random, 0.25) ? list(random, 3, () => ({ type: 'text', text: text(random) })) : text(random);
  const messages: object[] = chance(random, 0.6) ? [{ role: 'system', content: content() }] : [];
  for (let turn = Math.floor(random() * 4); turn > 0; turn--) {
    messages.push({ role: 'user', content: content(), ...(chance(random, 0.1) && { name: 'Ada' }) });
    if (tools === undefined || chance(random, 0.5)) {
      messages.push({
        role: 'assistant',
        content: content(),
        ...(chance(random, 0.2) && { reasoning_content: text(random) }),
      });
      continue;
    }
    const calls = list(random, 2, () => `call_${Math.floor(random() * 1e6)}`);
    messages.push({
      role: 'assistant',
      content: chance(random, 0.5) ? null : text(random),
      tool_calls: calls.map(id => ({
        ...{ id, type: 'function' },
        function: {
          name: 'read_file',
          arguments: chance(random, 0.1) ? '{oops' : JSON.stringify(argumentsOf(random)),
        },
      })),
    });
    for (const id of calls) messages.push({ role: 'tool', tool_call_id: id, content: content() });
  }
  messages.push({ role: 'user', content: content() });
  const prefill = chance(random, 0.1);
  if (prefill) messages.push({ role: 'assistant', content: `The answer is ${text(random)}` });
  return {
    messages,
    ...(tools && { tools }),
    ...(prefill && { add_generation_prompt: false, continue_final_message: true }),
    ...(chance(random, 0.1) && !prefill && { add_generation_prompt: false }),
    ...(chance(random, 0.2) && {
      chat_template_kwargs: { enable_thinking: chance(random, 0.5), style: text(random) },
    }),
    ...(chance(random, 0.15) && { reasoning_effort: pick(random, ['none', 'low', 'medium', 'high']) }),
    ...(chance(random, 0.1) && { add_special_tokens: true }),
    ...(chance(random, 0.1) && { documents: [{ title: text(random), text: text(random) }] }),
    max_tokens: 1,
  };
}

function completion(random: Random): object {
  return {
    prompt: chance(random, 0.2) ? list(random, 2, () => text(random)) : text(random),
    ...(chance(random, 0.3) && { add_special_tokens: chance(random, 0.5) }),
    max_tokens: 1,
  };
}

function responses(random: Random): object {
  const items: object[] = [];
  for (let turn = Math.floor(random() * 3); turn >= 0; turn--) {
    items.push({
      type: 'message',
      role: 'user',
      content: list(random, 2, () => ({ type: 'input_text', text: text(random) })),
    });
    if (chance(random, 0.4)) {
      const id = `call_${Math.floor(random() * 1e6)}`;
      items.push({
        type: 'function_call',
        call_id: id,
        name: 'read_file',
        arguments: JSON.stringify(argumentsOf(random)),
      });
      items.push({ type: 'function_call_output', call_id: id, output: text(random) });
    } else
      items.push({
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: text(random) }],
      });
  }
  items.push({ role: 'user', content: text(random) });
  return {
    input: chance(random, 0.2) ? text(random) : items,
    ...(chance(random, 0.5) && { instructions: text(random) }),
    ...(chance(random, 0.3) && {
      tools: [
        {
          type: 'function',
          name: 'read_file',
          description: text(random),
          parameters: schema(random),
          strict: false,
        },
      ],
    }),
    ...(chance(random, 0.2) && { reasoning: { effort: pick(random, ['low', 'high']) } }),
    max_output_tokens: 16,
  };
}

function messages(random: Random): object {
  const turns: object[] = [];
  for (let turn = Math.floor(random() * 3); turn > 0; turn--) {
    turns.push({
      role: 'user',
      content: chance(random, 0.5)
        ? text(random)
        : list(random, 3, () => ({ type: 'text', text: text(random) })),
    });
    const id = `toolu_${Math.floor(random() * 1e6)}`;
    if (chance(random, 0.5)) {
      turns.push({
        role: 'assistant',
        content: [
          { type: 'text', text: text(random) },
          { type: 'tool_use', id, name: 'Read', input: argumentsOf(random) },
        ],
      });
      turns.push({
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: id, content: text(random) }],
      });
    }
    turns.push({ role: 'assistant', content: text(random) });
  }
  turns.push({ role: 'user', content: text(random) });
  return {
    messages: turns,
    ...(chance(random, 0.6) && {
      system: chance(random, 0.5) ? text(random) : [{ type: 'text', text: text(random) }],
    }),
    ...(chance(random, 0.4) && {
      tools: [{ name: 'Read', description: text(random), input_schema: schema(random) }],
    }),
    ...(chance(random, 0.2) && { thinking: { type: 'disabled' } }),
    ...(chance(random, 0.2) && { output_config: { effort: pick(random, ['low', 'high']) } }),
    max_tokens: 1,
  };
}

const KINDS = [
  ['/v1/chat/completions', chat],
  ['/v1/chat/completions', chat],
  ['/v1/completions', completion],
  ['/v1/responses', responses],
  ['/v1/messages', messages],
] as const;

/** `count` requests; the same ones for the same seed. */
export function drawnRequests(count: number, seed: number): AgentRequest[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, i) => {
    const [path, make] = KINDS[i % KINDS.length]!;
    return { what: `drawn ${i}, seed ${seed}`, path, body: make(random) };
  });
}
