/**
 * The body of `POST /tokenize` for a request whose endpoint the engine does not render (vLLM before 0.32 for `/v1/responses` and
 * `/v1/messages`, 0.30 and later without `--enable-scale-out`, SGLang).
 *
 * Two forms (vLLM, entrypoints/serve/tokenize/protocol.py): `{model, prompt, add_special_tokens}` for a text, and
 * `{model, messages, …}` for a chat. vLLM's ignores fields that it does not know, so what only its chat endpoint understands is
 * given as template arguments, as that endpoint does itself, or the request has no form. SGLang's is its chat endpoint's own
 * code, and knows the fields by their names: they are given as well.
 */

import { beforeMedia, type ChatForm, templateArguments } from '../chat/chat-form.ts';
import { messagesChat, traitsFor } from '../chat/messages-chat.ts';
import { responsesChat } from '../chat/responses-chat.ts';
import { isPresent, type Json, parseExactly, pick, writeExactly } from '../exact-json.ts';
import type { PromptRequest } from '../request.ts';

/** Fields of a chat request, the messages aside, that `/tokenize` knows under the same name and with the same meaning. */
const CHAT_FIELDS = [
  'tools',
  'chat_template',
  'chat_template_kwargs',
  'add_generation_prompt',
  'continue_final_message',
  'add_special_tokens',
  'media_io_kwargs',
  'mm_processor_kwargs',
] as const;

/** What SGLang's knows beside them. */
const SGLANG_FIELDS = ['tool_choice', 'reasoning_effort', 'reasoning', 'documents'] as const;

/**
 * The bodies as JSON, to be tried in this order as long as they are refused: what depends on the model's chat template is found
 * out so. None if `/tokenize` cannot give the tokens that the engine will see.
 */
export function tokenizeBodies(prompt: PromptRequest): readonly string[] {
  // Cuts the prompt after tokenizing, which /tokenize does not do.
  if (isPresent(prompt.body.truncate_prompt_tokens)) return [];
  const { model, content } = prompt;
  switch (content.kind) {
    case 'text': {
      const { suffix, add_special_tokens = true } = prompt.body;
      if (isPresent(suffix)) return [];
      return written([{ model, prompt: content.text, add_special_tokens }]);
    }
    case 'chat':
    case 'responses':
    case 'messages':
      return written(formsOf(content.kind, exactBody(prompt)).map(form => chatBody(model, form)));
    case 'tokens':
    case 'none':
      return [];
  }
}

function exactBody({ raw, body }: PromptRequest): Json {
  try {
    return parseExactly(raw);
  } catch {
    // Nested deeper than the stack of a parser that calls back.
    return body;
  }
}

function formsOf(kind: 'chat' | 'responses' | 'messages', body: Json): (ChatForm | undefined)[] {
  switch (kind) {
    case 'chat':
      return [
        {
          messages: body.messages as readonly Json[],
          fields: pick(body, [...CHAT_FIELDS, ...SGLANG_FIELDS]),
        },
      ];
    case 'responses':
      return [responsesChat(body)];
    case 'messages':
      return traitsFor(body).map(traits => messagesChat(body, traits));
  }
}

function chatBody(model: string, whole: ChatForm | undefined): Json | undefined {
  const form = whole && beforeMedia(whole);
  if (form === undefined) return undefined;
  const { messages, fields } = form;
  return {
    model,
    messages: messages.map(withBothReasonings),
    ...fields,
    ...templateArguments(fields.chat_template_kwargs, fields),
  };
}

/** vLLM calls it `reasoning`, and renames the older `reasoning_content` at its chat endpoint only; SGLang knows the older name. */
function withBothReasonings(message: Json): Json {
  const { reasoning, reasoning_content } = message;
  const given = isPresent(reasoning) ? reasoning : reasoning_content;
  return isPresent(given) ? { ...message, reasoning: given, reasoning_content: given } : message;
}

function written(bodies: readonly (Json | undefined)[]): string[] {
  return bodies.flatMap(body => {
    const text = body && writeExactly(body);
    return text === undefined ? [] : [text];
  });
}
