/**
 * Messages as templates see them: vLLM's `parse_chat_messages` (renderers/chat_utils.py, 0.32). What is not text, and what vLLM
 * does otherwise than is known here, has no conversation: the engine renders it.
 */
import { isObject, isPresent, type Json } from '../../prompt/exact-json.ts';
import { CallArguments } from './call-arguments.ts';

/** How a template wants contents: a text, or a list of parts. vLLM finds out by looking at the template. */
export type ContentFormat = 'string' | 'openai';

/** - `media`: more in it than text; `form`: something that only the engine knows how to show. */
export type Conversation =
  | { readonly kind: 'messages'; readonly messages: readonly Json[] }
  | { readonly kind: 'media' | 'form' };

/** Thrown where a message cannot be shown; never leaves this file. */
class Unshown extends Error {
  readonly why: 'media' | 'form';
  constructor(why: 'media' | 'form') {
    super(why);
    this.why = why;
  }
}

/** The members of a call's function as the endpoint orders them: chats are validated by a schema that has `arguments` first. */
type CallOrder = 'arguments_first' | 'name_first';

interface How {
  readonly format: ContentFormat;
  readonly callOrder: CallOrder;
  readonly calls: CallArguments;
}

/** Shows messages, and keeps what it has shown: the bodies of a conversation share its messages (`prompt/known`). */
export class ShownMessages {
  readonly #calls = new CallArguments();
  readonly #shown = new WeakMap<Json, How & { readonly shown: Json }>();

  conversation(messages: readonly Json[], format: ContentFormat, callOrder: CallOrder): Conversation {
    const how: How = { format, callOrder, calls: this.#calls };
    try {
      return { kind: 'messages', messages: messages.map(each => this.#shownMessage(each, how)) };
    } catch (error) {
      if (!(error instanceof Unshown)) throw error;
      return { kind: error.why };
    }
  }

  #shownMessage(message: Json, how: How): Json {
    const known = this.#shown.get(message);
    if (known?.format === how.format && known.callOrder === how.callOrder) return known.shown;
    const shown = shownMessage(message, how);
    this.#shown.set(message, { ...how, shown });
    return shown;
  }
}

type Shown = Record<string, unknown>;

function shownMessage(message: Json, how: How): Json {
  const { format } = how;
  const { role, name, task } = message;
  if (typeof role !== 'string') throw new Unshown('form');
  const content = role === 'system' ? withoutBilling(message.content) : message.content;
  const shown: Shown = { role, content: shownContent(content, format) };
  if (role === 'assistant') addAssistant(shown, message, how);
  else if (role === 'tool') {
    if ('tool_call_id' in message) shown.tool_call_id = message.tool_call_id;
    if (Array.isArray(shown.content)) shown.content = toolContent(shown.content as Json[]);
  }
  if (typeof name === 'string') shown.name = name;
  if (typeof task === 'string') shown.task = task;
  if (role === 'developer') {
    // Validated by a schema of their own.
    if (isPresent(message.tools)) throw new Unshown('form');
    shown.tools = null;
  }
  return shown;
}

function shownContent(content: unknown, format: ContentFormat): string | Json[] {
  if (typeof content === 'string') return format === 'string' ? content : [{ type: 'text', text: content }];
  if (!isPresent(content)) return format === 'string' ? '' : [];
  if (!Array.isArray(content)) throw new Unshown('form');
  const parts = content.flatMap(shownPart);
  if (format === 'openai') return parts;
  const texts = parts.map(part => (part.type === 'text' ? part.text : part.name));
  return texts.filter(text => text !== '').join('\n');
}

/** Members of content parts that vLLM's schemas know: a part that is shown has none of them but its text, and all others. */
const KNOWN_MEMBERS: ReadonlySet<string> = new Set([
  ...[
    'audio_embeds',
    'audio_url',
    'closed',
    'data',
    'file',
    'image_embeds',
    'image_pil',
    'image_url',
    'input_audio',
  ],
  ...[
    'name',
    'prompt_cache_breakpoint',
    'refusal',
    'text',
    'thinking',
    'type',
    'uuid',
    'video_embeds',
    'video_url',
  ],
]);

function shownPart(part: unknown): Json[] {
  if (typeof part === 'string') return [{ type: 'text', text: part }];
  if (!isObject(part)) throw new Unshown('form');
  const { type } = part;
  switch (type) {
    case 'text':
    case 'input_text':
    case 'output_text':
    case 'refusal':
    case 'thinking': {
      const text = part[type === 'refusal' || type === 'thinking' ? type : 'text'];
      if (!isPresent(text) && (type === 'text' || type === 'refusal')) return [];
      if (typeof text !== 'string') throw new Unshown('form');
      return [{ type: 'text', text, ...without(part, KNOWN_MEMBERS) }];
    }
    case 'tool_reference':
      if (typeof part.name !== 'string') throw new Unshown('form');
      return [{ type, name: part.name }];
    default:
      throw new Unshown(typeof type === 'string' ? 'media' : 'form');
  }
}

/** Of results text alone is a text; references to tools stay parts. */
function toolContent(parts: readonly Json[]): string | readonly Json[] {
  return parts.every(({ type }) => type === 'text') ? parts.map(({ text }) => text).join('\n') : parts;
}

/** Claude Code's attribution, with another hash in each request: its line goes, from each text that begins with it. */
const BILLING_HEADER = 'x-anthropic-billing-header';

function withoutBilling(content: unknown): unknown {
  if (typeof content === 'string')
    return content.startsWith(BILLING_HEADER) ? afterLine(content) || null : content;
  if (!Array.isArray(content)) return content;
  return content.flatMap(part => {
    const text = isObject(part) ? (part.type === 'text' ? part.text : undefined) : part;
    if (typeof text !== 'string' || !text.startsWith(BILLING_HEADER)) return [part];
    const rest = afterLine(text);
    if (rest === '') return [];
    return [typeof part === 'string' ? rest : { ...part, text: rest }];
  });
}

function afterLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? '' : text.slice(end + 1);
}

function addAssistant(shown: Shown, message: Json, how: How): void {
  const { tool_calls: calls, reasoning, reasoning_content } = message;
  if (isPresent(calls)) {
    if (!Array.isArray(calls)) throw new Unshown('form');
    if (calls.length > 0) shown.tool_calls = calls.map(call => shownCall(call, how));
  }
  const given = isPresent(reasoning) ? reasoning : reasoning_content;
  if (!isPresent(given)) return;
  if (typeof given !== 'string') throw new Unshown('form');
  shown.reasoning = given;
  shown.reasoning_content = given;
}

function shownCall(call: unknown, { callOrder, calls }: How): Json {
  if (!isObject(call) || !isObject(call.function)) throw new Unshown('form');
  const { id, type = 'function' } = call;
  const { name } = call.function;
  if (type !== 'function' || typeof id !== 'string' || typeof name !== 'string') throw new Unshown('form');
  const parsed = calls.parsed(call.function.arguments);
  if (parsed === undefined) throw new Unshown('form');
  const given = { arguments: parsed };
  const ofFunction = callOrder === 'arguments_first' ? { ...given, name } : { name, ...given };
  return {
    id,
    function: { ...ofFunction, ...without(call.function, MEMBERS_OF_FUNCTION) },
    type,
    ...without(call, MEMBERS_OF_CALL),
  };
}

const MEMBERS_OF_CALL: ReadonlySet<string> = new Set(['id', 'function', 'type']);
const MEMBERS_OF_FUNCTION: ReadonlySet<string> = new Set(['arguments', 'name']);

/** What schemas do not know stays, behind what they do. */
function without(object: Json, names: ReadonlySet<string>): Json {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.has(name)));
}
