/** From the bodies of the four generating APIs to prompts. Throws ApiError for what vLLM refuses. */
import { badRequest, type FieldProblem, missingField, validationError } from './api-error.ts';
import { type ChatMessage, type ChatPrompt, renderChat, type ToolCall } from './chat-template.ts';
import type { Body } from './http.ts';
import { encode } from './tokenizer.ts';

/** `/v1/chat/completions` and the chat form of `/tokenize`. */
export function chatTokens(body: Body, model: string): number[] {
  if (body.messages === undefined) throw validationError(missingField(body, 'messages'));
  const messages = listOf(body.messages, 'messages').map(message => chatMessage(message, model));
  return encode(renderChat({ ...chatFlags(body), messages, tools: tools(body) }));
}

/** `/v1/completions`: one text, one list of ids, or lists of either; one token list per prompt. */
export function completionTokens(body: Body): number[][] {
  const { prompt } = body;
  if (prompt === undefined || prompt === null) throw validationError(missingField(body, 'prompt'));
  if (typeof prompt === 'string') return [encode(prompt)];
  const list = listOf(prompt, 'prompt');
  if (list.length === 0) throw badRequest('Please provide at least one prompt');
  if (list.every(isTokenId)) return [list];
  return list.map(each => {
    if (typeof each === 'string') return encode(each);
    if (Array.isArray(each) && each.every(isTokenId)) return each;
    throw validationError(wrongType('prompt', 'string', each));
  });
}

/** `/v1/responses`: what was said before, `instructions` and `input`, a text or a list of items. */
export function responsesTokens(
  body: Body,
  model: string,
  previous: readonly ChatMessage[] = [],
): { readonly tokens: number[]; readonly messages: readonly ChatMessage[] } {
  if (body.input === undefined) throw validationError(missingField(body, 'input'));
  const messages: ChatMessage[] = [...previous];
  if (typeof body.instructions === 'string') messages.push(plain('system', body.instructions));
  if (typeof body.input === 'string') messages.push(plain('user', body.input));
  else for (const item of listOf(body.input, 'input')) messages.push(responsesItem(asBody(item), model));
  const tokens = encode(renderChat({ ...chatFlags(body), messages, tools: tools(body) }));
  return { tokens, messages };
}

/** `/v1/messages`, Anthropic's API: `system`, and content blocks inside `messages`. */
export function messagesTokens(body: Body, model: string): number[] {
  if (body.messages === undefined) throw validationError(missingField(body, 'messages'));
  const messages: ChatMessage[] = [];
  if (body.system !== undefined) messages.push(plain('system', contentText(body.system, model)));
  for (const message of listOf(body.messages, 'messages'))
    messages.push(...anthropicMessages(asBody(message), model));
  const functions = tools(body).map(tool => {
    const { name, description, input_schema: parameters } = asBody(tool);
    return { type: 'function', function: { name, description, parameters } };
  });
  return encode(renderChat({ ...chatFlags(body), messages, tools: functions }));
}

function chatFlags(body: Body): Omit<ChatPrompt, 'messages' | 'tools'> {
  if (body.chat_template !== undefined && body.chat_template !== null) {
    throw badRequest(
      'Chat template is passed with request, but --trust-request-chat-template is not set. Refused request with ' +
        'untrusted chat template.',
    );
  }
  return {
    addGenerationPrompt: body.add_generation_prompt !== false,
    continueFinalMessage: body.continue_final_message === true,
    enableThinking: asBody(body.chat_template_kwargs).enable_thinking !== false,
  };
}

function tools(body: Body): unknown[] {
  return body.tools === undefined || body.tools === null ? [] : listOf(body.tools, 'tools');
}

function chatMessage(value: unknown, model: string): ChatMessage {
  const { role, content, tool_calls: calls } = asBody(value);
  const toolCalls: ToolCall[] = (Array.isArray(calls) ? calls : []).map(call => {
    const { name, arguments: text } = asBody(asBody(call).function);
    return { name: String(name), arguments: typeof text === 'string' ? text : JSON.stringify(text ?? {}) };
  });
  return { role: String(role), content: contentText(content, model), toolCalls };
}

function responsesItem(item: Body, model: string): ChatMessage {
  if (item.type === 'function_call') {
    const call = { name: String(item.name), arguments: String(item.arguments) };
    return { role: 'assistant', content: '', toolCalls: [call] };
  }
  if (item.type === 'function_call_output') return plain('tool', contentText(item.output, model));
  return plain(String(item.role), contentText(item.content, model));
}

/** A tool's result is a message of its own in a chat template, a block of the user's message in Anthropic's API. */
function anthropicMessages(message: Body, model: string): ChatMessage[] {
  const role = String(message.role);
  if (!Array.isArray(message.content)) return [plain(role, contentText(message.content, model))];
  const blocks = message.content.map(asBody);
  const results = blocks
    .filter(block => block.type === 'tool_result')
    .map(block => plain('tool', contentText(block.content, model)));
  const rest = blocks.filter(block => block.type !== 'tool_result' && block.type !== 'tool_use');
  const toolCalls = blocks
    .filter(block => block.type === 'tool_use')
    .map(block => ({ name: String(block.name), arguments: JSON.stringify(block.input ?? {}) }));
  if (rest.length === 0 && toolCalls.length === 0) return results;
  return [...results, { role, content: contentText(rest, model), toolCalls }];
}

/** Parts are joined by line breaks, as vLLM does for templates that take a string. */
function contentText(content: unknown, model: string): string {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  return listOf(content, 'messages.content')
    .map(part => {
      const { text } = asBody(part);
      if (typeof part === 'string') return part;
      if (typeof text !== 'string') throw badRequest(`${model} is not a multimodal model`);
      return text;
    })
    .join('\n');
}

function plain(role: string, content: string): ChatMessage {
  return { role, content, toolCalls: [] };
}

/** Not an object: nothing in it. */
function asBody(value: unknown): Body {
  return typeof value === 'object' && value !== null ? (value as Body) : {};
}

export function listOf(value: unknown, field: string): unknown[] {
  if (!Array.isArray(value)) throw validationError(wrongType(field, 'list', value));
  return value;
}

export function wrongType(field: string, type: 'string' | 'list', input: unknown): FieldProblem {
  return { type: `${type}_type`, loc: `body.${field}`, msg: `Input should be a valid ${type}`, input };
}

export function isTokenId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
}
