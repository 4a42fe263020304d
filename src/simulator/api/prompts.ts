/** From the bodies of the four generating APIs to prompts. Throws ApiError for what vLLM refuses. */

import { type ChatMessage, type ChatPrompt, renderChat, type ToolCall } from '../chat-template.ts';
import type { EngineOptions } from '../core.ts';
import { encode } from '../tokenizer.ts';
import { badRequest, type FieldProblem, missingField, validationError } from './api-error.ts';
import type { Body } from './http.ts';

/** Of the engine, what its prompts depend on. */
type TemplateOptions = Pick<EngineOptions, 'model' | 'defaultSystemPrompt'>;

/** `/v1/chat/completions` and the chat form of `/tokenize`. */
export function chatTokens(body: Body, { model, defaultSystemPrompt }: TemplateOptions): number[] {
  if (body.messages === undefined) throw validationError(missingField(body, 'messages'));
  const messages = listOf(body.messages, 'messages').map(message => chatMessage(message, model));
  return encode(renderChat({ ...chatFlags(body), defaultSystemPrompt, messages, tools: tools(body) }));
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
  { model, defaultSystemPrompt }: TemplateOptions,
  previous: readonly ChatMessage[] = [],
): { readonly tokens: number[]; readonly messages: readonly ChatMessage[] } {
  if (body.input === undefined) throw validationError(missingField(body, 'input'));
  const messages: ChatMessage[] = [...previous];
  if (typeof body.instructions === 'string') messages.push(plain('system', body.instructions));
  if (typeof body.input === 'string') messages.push(plain('user', body.input));
  else {
    for (const item of listOf(body.input, 'input')) {
      const message = responsesItem(asBody(item), model);
      const last = messages.at(-1);
      const joined = last && joinedAssistant(last, message);
      if (joined === undefined) messages.push(message);
      else messages[messages.length - 1] = joined;
    }
  }
  const functions = tools(body)
    .map(asBody)
    .filter(({ type }) => type === 'function')
    .map(({ name, description, parameters, strict }) =>
      functionTool({ name, description, parameters, strict }),
    );
  const prompt = { ...chatFlags(body), defaultSystemPrompt, messages, tools: functions };
  return { tokens: encode(renderChat(prompt)), messages };
}

/** `/v1/messages`, Anthropic's API: `system`, and content blocks inside `messages`. */
export function messagesTokens(body: Body, { model, defaultSystemPrompt }: TemplateOptions): number[] {
  if (body.messages === undefined) throw validationError(missingField(body, 'messages'));
  const messages: ChatMessage[] = [];
  // Other than a message's parts, those of the system prompt are joined by nothing.
  if (body.system !== undefined) messages.push(plain('system', contentText(body.system, model, '')));
  for (const message of listOf(body.messages, 'messages'))
    messages.push(...anthropicMessages(asBody(message), model));
  const functions = tools(body)
    .map(asBody)
    .map(({ name, description, input_schema: parameters, strict }) =>
      functionTool({ name, description, parameters, strict }),
    );
  return encode(renderChat({ ...chatFlags(body), defaultSystemPrompt, messages, tools: functions }));
}

/** Whether the answer begins with reasoning, which real models decide by their templates. */
export function wantsReasoning({ chat_template_kwargs: kwargs, thinking }: Body): boolean {
  const { type } = asBody(thinking);
  return type === 'enabled' || type === 'adaptive' || asBody(kwargs).enable_thinking === true;
}

function functionTool(definition: Body): Body {
  return { type: 'function', function: definition };
}

function chatFlags(body: Body): Omit<ChatPrompt, 'messages' | 'tools' | 'defaultSystemPrompt'> {
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
  const { role, content, reasoning, tool_calls: calls } = asBody(value);
  const toolCalls = (Array.isArray(calls) ? calls : []).map(call => {
    const { name, arguments: given } = asBody(asBody(call).function);
    return toolCall(name, given);
  });
  return {
    role: String(role),
    reasoning: typeof reasoning === 'string' ? reasoning : '',
    content: contentText(content, model),
    toolCalls,
  };
}

/**
 * vLLM parses a call's arguments, and templates write them as JSON again: how the client spelled them does not matter. What is no
 * JSON becomes an empty object, so that a conversation with it can go on.
 */
function toolCall(name: unknown, given: unknown): ToolCall {
  let value = given;
  try {
    if (typeof given === 'string') value = JSON.parse(given);
  } catch {
    value = {};
  }
  return { name: String(name), arguments: JSON.stringify(value ?? {}) };
}

function responsesItem(item: Body, model: string): ChatMessage {
  switch (item.type) {
    case 'function_call':
      return { ...plain('assistant', ''), toolCalls: [toolCall(item.name, item.arguments)] };
    case 'function_call_output':
      return plain('tool', contentText(item.output, model));
    case 'reasoning':
      return { ...plain('assistant', ''), reasoning: contentText(item.content ?? item.summary, model) };
    default:
      return plain(String(item.role), contentText(item.content, model));
  }
}

/** Several items of an assistant make one message, until one would have a second reasoning or a second text. */
function joinedAssistant(last: ChatMessage, next: ChatMessage): ChatMessage | undefined {
  if (last.role !== 'assistant' || next.role !== 'assistant') return undefined;
  if (last.reasoning !== '' && next.reasoning !== '') return undefined;
  if (last.content !== '' && next.content !== '') return undefined;
  return {
    role: 'assistant',
    reasoning: last.reasoning + next.reasoning,
    content: last.content + next.content,
    toolCalls: [...last.toolCalls, ...next.toolCalls],
  };
}

/** Blocks that are no part of a message's text. */
const APART: ReadonlySet<unknown> = new Set(['tool_result', 'tool_use', 'thinking', 'redacted_thinking']);

/** A tool's result is a message of its own in a chat template, a block of the user's message in Anthropic's API. */
function anthropicMessages(message: Body, model: string): ChatMessage[] {
  const role = String(message.role);
  if (!Array.isArray(message.content)) return [plain(role, contentText(message.content, model))];
  const blocks = message.content.map(asBody);
  const results = blocks
    .filter(block => block.type === 'tool_result')
    .map(block => plain('tool', contentText(block.content, model)));
  const rest = blocks.filter(({ type }) => !APART.has(type));
  const reasoning = blocks
    .filter(({ type }) => type === 'thinking')
    .map(({ thinking }) => String(thinking))
    .join('');
  const toolCalls = blocks
    .filter(block => block.type === 'tool_use')
    .map(block => toolCall(block.name, block.input));
  if (role === 'user' && rest.length === 0) return results;
  return [...results, { role, reasoning, content: contentText(rest, model), toolCalls }];
}

/** Parts are joined by line breaks, as vLLM does for templates that take a string. */
function contentText(content: unknown, model: string, between = '\n'): string {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  return listOf(content, 'messages.content')
    .map(part => {
      const { text } = asBody(part);
      if (typeof part === 'string') return part;
      if (typeof text !== 'string') throw badRequest(`${model} is not a multimodal model`);
      return text;
    })
    .join(between);
}

function plain(role: string, content: string): ChatMessage {
  return { role, reasoning: '', content, toolCalls: [] };
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
