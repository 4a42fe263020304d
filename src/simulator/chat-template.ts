/** A ChatML-like template: messages and tools become one prompt text, as a model's Jinja template does in vLLM. */
import { badRequest } from './api/api-error.ts';
import { IM_END, IM_START } from './tokenizer.ts';

export interface ToolCall {
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

export interface ChatMessage {
  readonly role: string;
  /** Of an assistant; '' for none. */
  readonly reasoning: string;
  readonly content: string;
  readonly toolCalls: readonly ToolCall[];
}

export interface ChatPrompt {
  readonly messages: readonly ChatMessage[];
  /** OpenAI tool definitions, shown to the model as JSON. */
  readonly tools: readonly unknown[];
  readonly addGenerationPrompt: boolean;
  /** Leaves the last message open, so that the model goes on with it. */
  readonly continueFinalMessage: boolean;
  /** Stands in the place of a system message that the chat does not have; '' for none. */
  readonly defaultSystemPrompt: string;
  /** False puts an empty thought after the generation prompt. */
  readonly enableThinking: boolean;
}

export const THOUGHT = { start: '<think>\n', end: '\n</think>\n\n' } as const;
export const TOOL_CALL = {
  start: '<tool_call>\n{"name": "',
  middle: '", "arguments": ',
  end: '}\n</tool_call>',
} as const;

const GENERATION_PROMPT = `${IM_START}assistant\n`;
const EMPTY_THOUGHT = THOUGHT.start + THOUGHT.end;
const END_OF_MESSAGE = `${IM_END}\n`;

/** Throws ApiError (400) for what vLLM refuses: no messages, contradicting flags. */
export function renderChat(prompt: ChatPrompt): string {
  const { messages, tools } = prompt;
  if (prompt.continueFinalMessage && prompt.addGenerationPrompt) {
    throw badRequest(
      'continue_final_message and add_generation_prompt are not compatible. Use continue_final_message when you want ' +
        'the model to continue the final message, and add_generation_prompt when you want to add a header that will ' +
        'prompt it to start a new assistant message instead.',
    );
  }
  if (messages.length === 0) {
    throw badRequest('Cannot apply chat template to an empty conversation. Provide at least one message.');
  }
  const hasSystem = messages[0]!.role === 'system';
  const system = hasSystem ? messages[0]!.content : prompt.defaultSystemPrompt;
  let text = '';
  if (tools.length > 0)
    text = message('system', [system, toolInstructions(tools)].filter(Boolean).join('\n\n'));
  else if (hasSystem || system !== '') text = message('system', system);
  const rest = hasSystem ? messages.slice(1) : messages;
  text += rest.map(renderMessage).join('');
  if (prompt.continueFinalMessage && text.endsWith(END_OF_MESSAGE))
    text = text.slice(0, -END_OF_MESSAGE.length);
  if (!prompt.addGenerationPrompt) return text;
  return text + GENERATION_PROMPT + (prompt.enableThinking ? '' : EMPTY_THOUGHT);
}

function renderMessage({ role, reasoning, content, toolCalls }: ChatMessage): string {
  switch (role) {
    case 'user':
    case 'system':
    case 'developer':
      return message(role === 'developer' ? 'system' : role, content);
    case 'assistant':
      return message(
        role,
        thought(reasoning) + [content, ...toolCalls.map(renderToolCall)].filter(Boolean).join('\n'),
      );
    case 'tool':
    case 'function':
      return message('user', `<tool_response>\n${content}\n</tool_response>`);
    default:
      // Like most templates: a role that it does not know leaves no trace.
      return '';
  }
}

function message(role: string, content: string): string {
  return `${IM_START}${role}\n${content}${END_OF_MESSAGE}`;
}

function thought(reasoning: string): string {
  return reasoning === '' ? '' : THOUGHT.start + reasoning + THOUGHT.end;
}

function renderToolCall(call: ToolCall): string {
  return TOOL_CALL.start + call.name + TOOL_CALL.middle + call.arguments + TOOL_CALL.end;
}

function toolInstructions(tools: readonly unknown[]): string {
  const list = tools.map(tool => JSON.stringify(tool)).join('\n');
  return `# Tools\n\nThese functions may be called:\n<tools>\n${list}\n</tools>\nWrite a call as <tool_call>{"name": …, "arguments": …}</tool_call>.`;
}
