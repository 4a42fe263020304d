/**
 * The body of vLLM's `POST /tokenize` for a request whose endpoint the engine does not render (vLLM before 0.32 for
 * `/v1/responses` and `/v1/messages`, 0.30 and later without `--enable-scale-out`, SGLang).
 *
 * Two forms (vLLM, entrypoints/serve/tokenize/protocol.py): `{model, prompt, add_special_tokens}` for a text, and
 * `{model, messages, …}` for a chat. `/tokenize` ignores fields that it does not know, so nothing may be left to it that
 * changes the tokens and that only the chat endpoint understands; such fields are either expressed as template arguments,
 * as the chat endpoint itself does, or the request has no form here.
 */
import type { PromptRequest } from './request.ts';

type Json = Readonly<Record<string, unknown>>;

/** Fields of a chat request that `/tokenize` knows under the same name and with the same meaning. */
const CHAT_FIELDS = [
  'messages',
  'tools',
  'chat_template',
  'chat_template_kwargs',
  'add_generation_prompt',
  'continue_final_message',
  'add_special_tokens',
  'media_io_kwargs',
  'mm_processor_kwargs',
] as const;

/** Fields that the chat endpoint hands to the template as arguments of the same name; they win over `chat_template_kwargs`. */
const TEMPLATE_ARGUMENTS = ['reasoning_effort', 'documents'] as const;

/** The body as JSON; undefined if `/tokenize` cannot give the tokens that the engine will see. */
export function tokenizeBody(prompt: PromptRequest): string | undefined {
  // Cuts the prompt after tokenizing, which /tokenize does not do.
  if (isPresent(prompt.body.truncate_prompt_tokens)) return undefined;
  const form = formOf(prompt);
  if (form === undefined) return undefined;
  try {
    return JSON.stringify(form);
  } catch {
    // Nested deeper than the stack: no engine takes it.
    return undefined;
  }
}

function formOf(prompt: PromptRequest): Json | undefined {
  const { model, body, content } = prompt;
  switch (content.kind) {
    case 'text':
      return { model, prompt: content.text, add_special_tokens: body.add_special_tokens ?? true };
    case 'chat':
      return { model, ...pick(body, CHAT_FIELDS), ...templateArguments(body.chat_template_kwargs, body) };
    case 'responses':
      return responsesForm(model, body);
    case 'messages':
      return messagesForm(model, body);
    case 'tokens':
    case 'none':
      return undefined;
  }
}

function templateArguments(given: unknown, body: Json): Json {
  const more = pick(body, TEMPLATE_ARGUMENTS);
  if (Object.keys(more).length === 0) return {};
  return { chat_template_kwargs: { ...(isObject(given) ? given : {}), ...more } };
}

/**
 * `/v1/responses` as a chat: `instructions` is the system message, `input` the user's, or a list of messages of text.
 * Without a form: tools and the items of their calls, reasoning items, media, and what the engine keeps itself
 * (`previous_response_id`, `prompt`).
 */
function responsesForm(model: string, body: Json): Json | undefined {
  if (isPresent(body.previous_response_id) || isPresent(body.prompt) || hasTools(body)) return undefined;
  const messages: Json[] = [];
  if (isPresent(body.instructions)) messages.push({ role: 'system', content: body.instructions });
  if (typeof body.input === 'string') messages.push({ role: 'user', content: body.input });
  else {
    for (const item of body.input as readonly Json[]) {
      if (item.type !== undefined && item.type !== 'message') return undefined;
      const content = textContent(item.content, ['input_text', 'output_text', 'text']);
      if (content === undefined || typeof item.role !== 'string') return undefined;
      messages.push({ role: item.role, content });
    }
  }
  const effort = isObject(body.reasoning) ? body.reasoning.effort : undefined;
  return { model, messages, ...templateArguments(undefined, { reasoning_effort: effort }) };
}

/**
 * `/v1/messages` as a chat: `system` is the system message (its text blocks joined without anything between), then the
 * messages of text. Without a form: tools, tool calls and results, media, thinking.
 */
function messagesForm(model: string, body: Json): Json | undefined {
  if (hasTools(body) || isPresent(body.thinking)) return undefined;
  const messages: Json[] = [];
  if (isPresent(body.system)) {
    const system = textContent(body.system, ['text']);
    if (system === undefined) return undefined;
    const text = typeof system === 'string' ? system : system.map(part => part.text).join('');
    if (text !== '') messages.push({ role: 'system', content: text });
  }
  for (const message of body.messages as readonly Json[]) {
    const content = textContent(message.content, ['text']);
    if (content === undefined || typeof message.role !== 'string') return undefined;
    // vLLM makes a single block of text a plain string; templates may tell the two apart.
    const only = typeof content !== 'string' && content.length === 1 ? content[0]!.text : content;
    messages.push({ role: message.role, content: only });
  }
  return { model, messages, ...pick(body, ['chat_template_kwargs']) };
}

interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A string, or parts of text in the chat API's spelling; undefined for anything else. */
function textContent(content: unknown, types: readonly unknown[]): string | TextPart[] | undefined {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  const parts: TextPart[] = [];
  for (const part of content) {
    if (!isObject(part) || !types.includes(part.type) || typeof part.text !== 'string') return undefined;
    parts.push({ type: 'text', text: part.text });
  }
  return parts;
}

function hasTools({ tools }: Json): boolean {
  return isPresent(tools) && !(Array.isArray(tools) && tools.length === 0);
}

function pick(from: Json, names: readonly string[]): Json {
  return Object.fromEntries(names.filter(name => isPresent(from[name])).map(name => [name, from[name]]));
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
