import { assert } from 'chai';
import fc from 'fast-check';
import { type ChatMessage, renderChat } from '../../src/simulator/chat-template.ts';
import {
  decode,
  encode,
  IM_END,
  IM_START,
  tokenStrings,
  WORD_TOKENS,
} from '../../src/simulator/tokenizer.ts';

describe("the simulated engine's tokenizer", () => {
  it('takes the text of a special token for the token, wherever it stands', () => {
    assert.deepEqual(encode(`${IM_START}user\nhi${IM_END}\n`), [100_264, 882, 198, 6151, 100_265, 198]);
    assert.deepEqual(tokenStrings(encode(`a 🙂${IM_END}\n`)).at(-2), IM_END);
  });

  it('gives back every text that it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text => {
        assert.equal(decode(encode(text)), text);
      }),
    );
  });

  it('knows no text for ids outside its vocabulary', () => {
    assert.equal(decode([9_999_999, 6_151, 100_261]), 'hi');
    assert.deepEqual(tokenStrings([100_261]), ['']);
  });

  it('says words that keep their tokens when they come back as text', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...WORD_TOKENS), { minLength: 1 }), words => {
        const prompt = `${IM_START}assistant\n`;
        assert.deepEqual(encode(prompt + decode(words) + IM_END), [...encode(prompt), ...words, 100_265]);
      }),
    );
  });
});

describe("the simulated engine's chat template", () => {
  const plain = {
    ...{ tools: [], addGenerationPrompt: true, continueFinalMessage: false, enableThinking: true },
    defaultSystemPrompt: '',
  };
  const user = { role: 'user', reasoning: '', content: 'hi', toolCalls: [] };

  it('puts tools behind the system text, or before everything', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const system = { role: 'system', reasoning: '', content: 'Be brief.', toolCalls: [] };
    const withSystem = renderChat({ ...plain, tools, messages: [system, user] });
    assert.match(
      withSystem,
      /^<\|im_start\|>system\nBe brief\.\n\n# Tools\n.*"name":"f".*<\|im_start\|>user\nhi/s,
    );
    assert.match(renderChat({ ...plain, tools, messages: [user] }), /^<\|im_start\|>system\n# Tools/);
  });

  it('begins with the default system prompt where a chat has none', () => {
    const defaultSystemPrompt = 'Be kind.';
    const system = { role: 'system', reasoning: '', content: 'Be brief.', toolCalls: [] };
    const start = (messages: readonly ChatMessage[]) =>
      renderChat({ ...plain, defaultSystemPrompt, messages }).split('<|im_end|>')[0];
    assert.equal(start([user]), '<|im_start|>system\nBe kind.');
    assert.equal(start([system, user]), '<|im_start|>system\nBe brief.');
  });

  it('writes calls and their results', () => {
    const call = {
      role: 'assistant',
      reasoning: '',
      content: '',
      toolCalls: [{ name: 'f', arguments: '{"a":1}' }],
    };
    const result = { role: 'tool', reasoning: '', content: '7', toolCalls: [] };
    const text = renderChat({ ...plain, messages: [user, call, result] });
    assert.include(text, '<tool_call>\n{"name": "f", "arguments": {"a":1}}\n</tool_call><|im_end|>');
    assert.include(
      text,
      '<|im_start|>user\n<tool_response>\n7\n</tool_response><|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('writes what an assistant has thought before what it has said', () => {
    const answer = {
      role: 'assistant',
      reasoning: 'Hm.',
      content: 'Fine',
      toolCalls: [{ name: 'f', arguments: '{}' }],
    };
    assert.include(
      renderChat({ ...plain, messages: [user, answer] }),
      '<|im_start|>assistant\n<think>\nHm.\n</think>\n\nFine\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call><|im_end|>',
    );
  });

  it('ends as it is told', () => {
    const answer = { role: 'assistant', reasoning: '', content: 'Fine', toolCalls: [] };
    const head = '<|im_start|>user\nhi<|im_end|>\n';
    const end = (prompt: object, messages = [user]) =>
      renderChat({ ...plain, messages, ...prompt }).slice(head.length);
    assert.equal(end({}), '<|im_start|>assistant\n');
    assert.equal(end({ enableThinking: false }), '<|im_start|>assistant\n<think>\n\n</think>\n\n');
    assert.equal(end({ addGenerationPrompt: false }), '');
    assert.equal(
      end({ addGenerationPrompt: false, continueFinalMessage: true }, [user, answer]),
      '<|im_start|>assistant\nFine',
    );
  });

  it('writes nothing for a role that it does not know, and a developer as the system', () => {
    const other = { role: 'weird', reasoning: '', content: 'x', toolCalls: [] };
    assert.equal(renderChat({ ...plain, messages: [other] }), '<|im_start|>assistant\n');
    const developer = { role: 'developer', reasoning: '', content: 'x', toolCalls: [] };
    assert.include(renderChat({ ...plain, messages: [developer] }), '<|im_start|>system\nx');
  });
});
