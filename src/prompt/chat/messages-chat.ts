/**
 * `/v1/messages` (Anthropic) as a chat, as vLLM makes it one (entrypoints/anthropic/serving.py, 0.32). What vLLM refuses, and
 * what is not the same each time, has no form.
 */

import { isObject, isPresent, type Json, objectsOf, pick, writeExactly } from '../exact-json.ts';
import type { ChatForm } from './chat-form.ts';

/** What vLLM decides by the model's chat template, which we do not see. */
export interface TemplateTraits {
  /** System messages between others: left where they are, or, where the template wants them first, merged into the first one. */
  readonly inlineSystem: 'keep' | 'merge';
  /** The `reasoning_effort` of `thinking: disabled`: `low` where the template refuses `none`. */
  readonly disabledEffort: 'none' | 'low';
}

/** Claude Code's attribution, with another hash in each request. */
const BILLING_HEADER = 'x-anthropic-billing-header';

/** The traits that matter to this request, the usual ones first. */
export function traitsFor(body: Json): readonly TemplateTraits[] {
  const hasInline = objectsOf(body.messages)?.some(({ role }) => role === 'system') ?? false;
  const inline = hasInline ? (['keep', 'merge'] as const) : (['keep'] as const);
  const isDisabled = isObject(body.thinking) && body.thinking.type === 'disabled';
  const efforts = isDisabled ? (['none', 'low'] as const) : (['none'] as const);
  return efforts.flatMap(disabledEffort => inline.map(inlineSystem => ({ inlineSystem, disabledEffort })));
}

export function messagesChat(body: Json, traits: TemplateTraits): ChatForm | undefined {
  const messages = messagesOf(body, traits.inlineSystem);
  const tools = toolsOf(body);
  const effort = effortOf(body, traits.disabledEffort);
  if (messages === undefined || tools === 'unknown' || effort === 'unknown') return undefined;
  return {
    messages,
    fields: {
      ...pick(body, ['chat_template_kwargs']),
      ...(effort !== undefined && { reasoning_effort: effort }),
      ...(tools !== undefined && { tools, ...toolChoice(body.tool_choice) }),
    },
  };
}

function messagesOf(body: Json, inlineSystem: TemplateTraits['inlineSystem']): Json[] | undefined {
  const given = objectsOf(body.messages);
  if (given === undefined) return undefined;
  const messages: Json[] = [];
  const system = [systemText(body.system, 'lists')];
  if (inlineSystem === 'merge') {
    for (const message of given) if (message.role === 'system') system.push(systemText(message.content));
  }
  if (system.includes(undefined)) return undefined;
  const text = system.join('');
  if (text !== '') messages.push({ role: 'system', content: text });
  for (const message of given) {
    if (message.role === 'system') {
      const inline = systemText(message.content);
      if (inline === undefined) return undefined;
      if (inline !== '' && inlineSystem === 'keep') messages.push({ role: 'system', content: inline });
      continue;
    }
    if (!addMessage(messages, message)) return undefined;
  }
  return messages;
}

/** Texts without anything between them, and without the billing header; of the `system` field it is only looked for in lists. */
export function systemText(
  content: unknown,
  stripped: 'everywhere' | 'lists' = 'everywhere',
): string | undefined {
  if (!isPresent(content)) return '';
  if (typeof content === 'string') {
    return stripped === 'everywhere' && content.startsWith(BILLING_HEADER) ? '' : content;
  }
  return objectsOf(content)
    ?.flatMap(({ type, text }) => (type === 'text' && typeof text === 'string' ? [text] : []))
    .filter(text => !text.startsWith(BILLING_HEADER))
    .join('');
}

/** False if the message has no form. Tool results are messages of their own, and come first. */
function addMessage(messages: Json[], { role, content }: Json): boolean {
  if (role !== 'user' && role !== 'assistant') return false;
  if (typeof content === 'string') {
    messages.push({ role, content });
    return true;
  }
  const blocks = objectsOf(content);
  if (blocks === undefined) return false;
  const parts: Json[] = [];
  const calls: Json[] = [];
  const reasoning: string[] = [];
  for (const block of blocks) {
    switch (block.type) {
      case 'text':
        if (isText(block.text)) parts.push({ type: 'text', text: block.text });
        break;
      case 'image':
        if (isObject(block.source)) parts.push(imagePart(block.source));
        break;
      case 'thinking':
        if (typeof block.thinking === 'string') reasoning.push(block.thinking);
        break;
      case 'redacted_thinking':
      case 'tool_reference':
        break;
      case 'tool_use': {
        const call = toolCall(block);
        if (call === undefined) return false;
        calls.push(call);
        break;
      }
      case 'tool_result': {
        const results = role === 'user' ? toolResults(block) : undefined;
        if (results !== undefined) messages.push(...results);
        // vLLM shows a list in an assistant's message as Python prints it.
        else if (role === 'assistant' && !Array.isArray(block.content)) {
          parts.push({ type: 'text', text: `Tool result: ${block.content ?? ''}` });
        } else return false;
        break;
      }
      default:
        return false;
    }
  }
  const [only] = parts;
  if (role === 'user' && only === undefined) return true;
  messages.push({
    role,
    ...(reasoning.length > 0 && { reasoning: reasoning.join('') }),
    ...(calls.length > 0 && { tool_calls: calls }),
    // A single text is a string: templates tell the two apart.
    ...(only !== undefined && { content: parts.length === 1 && only.type === 'text' ? only.text : parts }),
  });
  return true;
}

function imagePart(source: Json): Json {
  const { type, url = '', media_type = 'image/jpeg', data = '' } = source;
  return {
    type: 'image_url',
    image_url: { url: type === 'url' ? url : `data:${media_type};base64,${data}` },
  };
}

/** Without an id vLLM makes one up. */
function toolCall({ id, name, input }: Json): Json | undefined {
  const written = writeExactly(input ?? {});
  if (!isText(id) || written === undefined) return undefined;
  return { id, type: 'function', function: { name: name ?? '', arguments: written } };
}

/** A result's text; its images in a message of the user behind it; its references to tools in another result. */
function toolResults({ content, tool_use_id: id }: Json): Json[] | undefined {
  const tool_call_id = id ?? '';
  if (!isPresent(content) || typeof content === 'string') {
    return [{ role: 'tool', tool_call_id, content: content ?? '' }];
  }
  const items = objectsOf(content);
  if (items === undefined) return undefined;
  const texts = items.filter(({ type }) => type === 'text').map(({ text = '' }) => text);
  const images = items.filter(({ type, source }) => type === 'image' && isObject(source));
  const references = items
    .filter(({ type, tool_name, name }) => type === 'tool_reference' && (isText(tool_name) || isText(name)))
    .map(({ tool_name, name }) => ({ type: 'tool_reference', name: isText(tool_name) ? tool_name : name }));
  return [
    { role: 'tool', tool_call_id, content: texts.join('\n') },
    ...(images.length > 0
      ? [{ role: 'user', content: images.map(({ source }) => imagePart(source as Json)) }]
      : []),
    ...(references.length > 0 ? [{ role: 'tool', tool_call_id, content: references }] : []),
  ];
}

/** The tools in force at the end: those named in `tools`, and what messages add to and remove from them. */
function toolsOf(body: Json): Json[] | undefined | 'unknown' {
  const changes = (objectsOf(body.messages) ?? [])
    .flatMap(({ content }) => (Array.isArray(content) ? content : []))
    .filter(block => isObject(block) && (block.type === 'tool_addition' || block.type === 'tool_removal'));
  if (!isPresent(body.tools) && changes.length === 0) return undefined;
  const given = objectsOf(body.tools ?? []);
  if (given === undefined) return 'unknown';
  const tools = changes.length === 0 ? given : changedTools(given, changes);
  const functions = tools?.map(toolFunction);
  if (functions === undefined || functions.includes(undefined)) return 'unknown';
  return functions as Json[];
}

function changedTools(given: readonly Json[], changes: readonly Json[]): readonly Json[] | undefined {
  const tools = new Map(given.map(tool => [tool.name, tool]));
  const removed = new Set<unknown>();
  for (const { type, tool } of changes) {
    if (!isObject(tool)) return undefined;
    const definition = isObject(tool.definition) ? tool.definition : undefined;
    const { name } = definition ?? tool;
    if (definition !== undefined) tools.set(name, definition);
    else if (!tools.has(name)) return undefined;
    else if (type === 'tool_addition') tools.set(name, { ...tools.get(name), defer_loading: null });
    if (type === 'tool_removal') removed.add(name);
    else removed.delete(name);
  }
  return [...tools].filter(([name]) => !removed.has(name)).map(([, tool]) => tool);
}

function toolFunction({
  name,
  description,
  input_schema: schema,
  strict,
  defer_loading,
}: Json): Json | undefined {
  if (!isText(name) || !isObject(schema)) return undefined;
  const parameters = 'type' in schema ? schema : { ...schema, type: 'object' };
  return { type: 'function', function: { name, description, parameters, strict, defer_loading } };
}

function effortOf(body: Json, disabledEffort: TemplateTraits['disabledEffort']): unknown {
  const { thinking, output_config: output } = body;
  if (isPresent(thinking) && !isObject(thinking)) return 'unknown';
  if (isObject(thinking) && thinking.type === 'disabled') return disabledEffort;
  return isObject(output) && isPresent(output.effort) ? output.effort : undefined;
}

/** vLLM's templates do not see it; SGLang leaves tools out by it. */
function toolChoice(choice: unknown): Json {
  if (!isObject(choice)) return {};
  switch (choice.type) {
    case 'any':
      return { tool_choice: 'required' };
    case 'none':
      return { tool_choice: 'none' };
    case 'tool':
      return { tool_choice: { type: 'function', function: { name: choice.name } } };
    default:
      return { tool_choice: 'auto' };
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
