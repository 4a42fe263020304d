/**
 * A request's prompt as the text that the engine tokenizes: as vLLM 0.32 renders it (renderers/hf.py, `safe_apply_chat_template`;
 * transformers 5, utils/chat_template_utils.py, `render_jinja_template`).
 */
import { type ChatForm, hasMedia, templateArguments } from '../../prompt/chat/chat-form.ts';
import { messagesChat, type TemplateTraits } from '../../prompt/chat/messages-chat.ts';
import { responsesChat } from '../../prompt/chat/responses-chat.ts';
import { isObject, isPresent, type Json } from '../../prompt/exact-json.ts';
import type { PromptRequest } from '../../prompt/request.ts';
import { ChunkedText } from '../chunked-text.ts';
import { type ChatTemplate, type ChatTemplates, templateFor } from './chat-templates.ts';
import { ShownMessages } from './conversation.ts';
import { withoutDeveloper } from './developer-role.ts';
import { type ContinuedFinal, continuedFinal } from './final-message.ts';
import { ShownTools } from './shown-tools.ts';
import { exactlyShown } from './shown-values.ts';
import { traitsOf } from './template-traits.ts';

/**
 * - `text`: to be tokenized; `specialTokens`: whether the tokenizer adds its own, or only those that the text names;
 * - `unrendered`: only the engine knows its tokens. `media`: it has images or the like; `form`: it has what only the engine can show,
 *   or what depends on how the engine was started; `no_template`: chats of this model have none that is known; `template`: the
 *   template refuses it, fails, or does too much.
 */
export type RenderedPrompt =
  | { readonly kind: 'text'; readonly text: ChunkedText; readonly specialTokens: 'added' | 'as_written' }
  | { readonly kind: 'unrendered'; readonly why: Unrendered };

export type Unrendered = 'media' | 'form' | 'no_template' | 'template';

/** What chats of a model are rendered with. */
export interface ChatRenderer {
  readonly templates: ChatTemplates;
  readonly traits: TemplateTraits;
  readonly shownMessages: ShownMessages;
  readonly shownTools: ShownTools;
}

export function createChatRenderer(templates: ChatTemplates): ChatRenderer {
  const shown = { shownMessages: new ShownMessages(), shownTools: new ShownTools() };
  return { templates, traits: traitsOf(templates), ...shown };
}

/** Members that change the tokens in ways that only the engine knows. */
const ENGINE_ONLY = [...['truncate_prompt_tokens', 'chat_template', 'suffix', 'prompt_embeds']];

/** Arguments of a template that transformers takes for its own, or that stand for a function of the template language. */
const RESERVED: ReadonlySet<string> = new Set([
  ...[
    'tools',
    'tokenize',
    'chat_template',
    'conversation',
    'conversations',
    'messages',
    'padding',
    'truncation',
  ],
  ...['max_length', 'return_tensors', 'return_dict', 'return_assistant_tokens_mask', 'tokenizer_kwargs'],
  ...['range', 'dict', 'lipsum', 'cycler', 'joiner', 'namespace', 'raise_exception', 'strftime_now'],
]);

/** Never throws. @param chat undefined: chats are not rendered here */
export function renderPrompt(prompt: PromptRequest, chat: ChatRenderer | undefined): RenderedPrompt {
  const { content, body } = prompt;
  if (content.kind === 'none' || content.kind === 'tokens') return unrendered('form');
  const { kv_transfer_params: transferred } = body;
  const isGiven = isObject(transferred) && isPresent(transferred.prompt_token_ids);
  if (isGiven || ENGINE_ONLY.some(name => isPresent(body[name]))) return unrendered('form');
  if (content.kind === 'text') return textPrompt(content.text, body);
  if (chat === undefined) return unrendered('no_template');
  const exact = exactlyShown(body, prompt.raw);
  const form = exact && chatForm(content.kind, exact, chat.traits);
  if (form === undefined) return unrendered('form');
  if (form.messages.some(hasMedia)) return unrendered('media');
  return renderChat(form, chat, content.kind);
}

function unrendered(why: Unrendered): RenderedPrompt {
  return { kind: 'unrendered', why };
}

function textPrompt(text: string, { add_special_tokens: added = true }: Json): RenderedPrompt {
  if (typeof added !== 'boolean') return unrendered('form');
  return { kind: 'text', text: new ChunkedText([text]), specialTokens: added ? 'added' : 'as_written' };
}

type ChatKind = 'chat' | 'responses' | 'messages';

function chatForm(kind: ChatKind, body: Json, traits: TemplateTraits): ChatForm | undefined {
  switch (kind) {
    case 'chat':
      return { messages: body.messages as readonly Json[], fields: body };
    case 'responses':
      // Anything but `disabled` cuts the prompt to what the model takes.
      if (isPresent(body.truncation) && body.truncation !== 'disabled') return undefined;
      return responsesChat(body);
    case 'messages':
      return messagesChat(body, traits);
  }
}

function renderChat(
  { messages, fields }: ChatForm,
  { templates, shownMessages, shownTools }: ChatRenderer,
  kind: ChatKind,
): RenderedPrompt {
  const tools = shownTools.of(fields.tools);
  const given = fields.chat_template_kwargs ?? {};
  const { add_generation_prompt: opens = true, continue_final_message: continues = false } = fields;
  const { add_special_tokens: added = false } = fields;
  if (tools === undefined || !isObject(given) || !areArguments(given)) return unrendered('form');
  if (![opens, continues, added].every(each => typeof each === 'boolean') || (opens && continues))
    return unrendered('form');
  // Engines may be started so that they leave the tools out then.
  if (tools !== null && fields.tool_choice === 'none') return unrendered('form');
  const template = templateFor(templates, tools);
  const order = kind === 'responses' ? 'name_first' : 'arguments_first';
  const conversation = shownMessages.conversation(messages, template.contentFormat, order);
  if (conversation.kind !== 'messages') return unrendered(conversation.kind);
  const shown = template.knowsDeveloper ? conversation.messages : withoutDeveloper(conversation.messages);
  const { chat_template_kwargs: kwargs = {} } = templateArguments(given, fields);
  const text = renderedText(template, shown, continues === true, {
    ...templates.specialTokens,
    ...(kwargs as Json),
    ...{ tools, documents: (kwargs as Json).documents ?? null, add_generation_prompt: opens },
  });
  if (text === undefined) return unrendered('template');
  return { kind: 'text', text, specialTokens: added ? 'added' : 'as_written' };
}

/** Without those that vLLM leaves out where it was started with arguments of its own (renderers/params.py, `merge_kwargs`). */
function areArguments(given: Json): boolean {
  return Object.entries(given).every(
    ([name, value]) => !RESERVED.has(name) && value !== null && value !== 'auto',
  );
}

/** undefined: the template refuses. */
function renderedText(
  template: ChatTemplate,
  messages: readonly Json[],
  isContinued: boolean,
  variables: Json,
): ChunkedText | undefined {
  const final: ContinuedFinal | undefined = isContinued
    ? continuedFinal(messages, template.source)
    : undefined;
  if (isContinued && final === undefined) return undefined;
  try {
    const text = template.render({ ...variables, messages: final?.messages ?? messages });
    if (final === undefined) return text;
    const cut = final.cut(String(text));
    return cut === undefined ? undefined : new ChunkedText([cut]);
  } catch {
    return undefined;
  }
}
