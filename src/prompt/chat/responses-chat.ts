/**
 * `/v1/responses` as a chat, as vLLM makes it one (entrypoints/openai/responses/utils.py, 0.32). What vLLM refuses has no form,
 * nor what the engine keeps itself (`previous_response_id`).
 */

import { isObject, isPresent, type Json, objectsOf, pick } from '../exact-json.ts';
import type { ChatForm } from './chat-form.ts';

export function responsesChat(body: Json): ChatForm | undefined {
  const { previous_response_id, previous_input_messages, prompt, input } = body;
  if ([previous_response_id, previous_input_messages, prompt].some(isPresent)) return undefined;
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : objectsOf(input);
  const messages = items && messagesOf(items);
  const tools = toolsOf(body.tools);
  if (items === undefined || messages === undefined || tools === 'unknown') return undefined;
  const { instructions } = body;
  if (isPresent(instructions) && instructions !== '') {
    messages.unshift({ role: 'system', content: instructions });
  }
  const isOpen = typeof input !== 'string' && isUnfinished(items.at(-1)!);
  const effort = isObject(body.reasoning) ? body.reasoning.effort : undefined;
  return {
    messages,
    fields: {
      ...pick(body, ['chat_template_kwargs', 'media_io_kwargs', 'mm_processor_kwargs', 'tool_choice']),
      ...(isPresent(effort) && { reasoning_effort: effort }),
      ...(tools !== undefined && { tools }),
      ...(isOpen && { add_generation_prompt: false, continue_final_message: true }),
      // Other than for a chat, its template's special tokens are not taken for all of them.
      add_special_tokens: true,
    },
  };
}

interface Message {
  role: unknown;
  content?: unknown;
  reasoning?: unknown;
  tool_calls?: Json[];
  tool_call_id?: unknown;
}

/** Several items of an assistant make one message, until one would have a second reasoning or a second text. */
function messagesOf(items: readonly Json[]): Json[] | undefined {
  const messages: Message[] = [];
  for (const item of items) {
    const last = messages.at(-1);
    const assistant = last?.role === 'assistant' ? last : undefined;
    const added = messageOf(item, assistant);
    if (added === 'unknown') return undefined;
    if (added !== 'merged') messages.push(added);
  }
  return messages as unknown as Json[];
}

function messageOf(item: Json, assistant: Message | undefined): Message | 'merged' | 'unknown' {
  switch (item.type ?? 'message') {
    case 'function_call':
    case 'custom_tool_call': {
      const call = toolCall(item);
      if (call === undefined) return 'unknown';
      if (assistant === undefined) return { role: 'assistant', tool_calls: [call] };
      assistant.tool_calls = [...(assistant.tool_calls ?? []), call];
      return 'merged';
    }
    case 'reasoning': {
      const reasoning = reasoningText(item);
      if (reasoning === undefined) return 'unknown';
      if (assistant === undefined || assistant.reasoning !== undefined)
        return { role: 'assistant', reasoning };
      assistant.reasoning = reasoning;
      return 'merged';
    }
    case 'function_call_output':
    case 'custom_tool_call_output': {
      const content = contentOf(item.output);
      return content === undefined ? 'unknown' : { role: 'tool', content, tool_call_id: item.call_id };
    }
    case 'message':
      return item.role === 'assistant' ? assistantMessage(item, assistant) : otherMessage(item);
    default:
      return 'unknown';
  }
}

function assistantMessage({ content }: Json, assistant: Message | undefined): Message | 'merged' | 'unknown' {
  // Of several texts vLLM takes the first one.
  const first = Array.isArray(content) ? content[0] : undefined;
  const text = typeof content === 'string' ? content : isObject(first) ? first.text : undefined;
  if (typeof text !== 'string') return 'unknown';
  if (assistant === undefined || assistant.content !== undefined) return { role: 'assistant', content: text };
  assistant.content = text;
  return 'merged';
}

function otherMessage({ role, content: given }: Json): Message | 'unknown' {
  const content = contentOf(given);
  return typeof role !== 'string' || content === undefined ? 'unknown' : { role, content };
}

/** In the spelling of the chat API: `/tokenize` checks it. */
function contentOf(content: unknown): string | Json[] | undefined {
  if (typeof content === 'string') return content;
  return objectsOf(content)?.map(part => {
    const isText = part.type === 'input_text' || part.type === 'output_text' || part.type === 'text';
    return isText ? { type: 'text', text: part.text } : part;
  });
}

function toolCall({ type, namespace, name, call_id: id, arguments: given, input }: Json): Json | undefined {
  if (typeof name !== 'string' || typeof id !== 'string') return undefined;
  const isCustom = type === 'custom_tool_call';
  const written = isCustom ? JSON.stringify({ [CUSTOM_INPUT]: input ?? '' }) : given;
  if (typeof written !== 'string') return undefined;
  const full = !isCustom && typeof namespace === 'string' && namespace !== '' ? flat(namespace, name) : name;
  return { id, type: 'function', function: { name: full, arguments: written } };
}

function reasoningText({ content, summary, encrypted_content: encrypted }: Json): string | undefined {
  if (typeof encrypted === 'string' && encrypted !== '') return undefined;
  const summaries = objectsOf(summary);
  const contents = objectsOf(content ?? []);
  if (summaries === undefined || contents === undefined) return undefined;
  const { text } = contents[0] ?? summaries[0] ?? { text: '' };
  return typeof text === 'string' ? text : undefined;
}

/** A last message of the client's that the engine is to go on with. */
function isUnfinished({ type, status }: Json): boolean {
  return (
    (status === 'in_progress' || status === 'incomplete') &&
    (!isPresent(type) || type === 'message' || type === 'reasoning')
  );
}

/** The member of a custom tool's arguments that its text is in. */
const CUSTOM_INPUT = 'input';
const CUSTOM_PARAMETERS = {
  type: 'object',
  properties: {
    [CUSTOM_INPUT]: { type: 'string', description: 'The freeform text payload for this tool.' },
  },
  required: [CUSTOM_INPUT],
  additionalProperties: false,
};

const flat = (namespace: unknown, name: unknown): string => `${namespace}__${name}`;

/** Functions, those in namespaces by their full names, and custom tools as functions of one text. The engine's own are not shown. */
function toolsOf(given: unknown): Json[] | undefined | 'unknown' {
  if (!isPresent(given)) return undefined;
  const tools = objectsOf(given);
  if (tools === undefined) return 'unknown';
  if (tools.length === 0) return undefined;
  return tools.flatMap((tool): Json[] => {
    switch (tool.type) {
      case 'function':
        return [functionOf(tool, tool.name)];
      case 'custom': {
        const { name, description } = tool;
        return [functionOf({ name, description, parameters: CUSTOM_PARAMETERS }, name)];
      }
      case 'namespace':
        return (objectsOf(tool.tools) ?? [])
          .filter(({ type }) => type === 'function')
          .map(inner => functionOf(inner, flat(tool.name, inner.name)));
      default:
        return [];
    }
  });
}

function functionOf({ description, parameters, strict, defer_loading }: Json, name: unknown): Json {
  return { type: 'function', function: { name, description, parameters, strict, defer_loading } };
}
