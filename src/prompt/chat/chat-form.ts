/** A prompt as a chat: what chat templates render, whichever endpoint it came to. */
import { isObject, isPresent, type Json } from '../exact-json.ts';

/** In the words of `/v1/chat/completions`. */
export interface ChatForm {
  readonly messages: readonly Json[];
  /** What else changes the tokens. */
  readonly fields: Json;
}

/** Content parts that are text for a template (vLLM, renderers/chat_utils.py). */
const TEXT_PARTS: ReadonlySet<unknown> = new Set([
  ...['text', 'input_text', 'output_text'],
  ...['thinking', 'refusal', 'tool_reference'],
]);

/** Whether there is more in it than text: an image, audio, a video, a file. */
export function hasMedia({ content }: Json): boolean {
  return Array.isArray(content) && content.some(part => isObject(part) && !TEXT_PARTS.has(part.type));
}

/**
 * The chat as far as it is text: the messages before the first one that is not. Of that one's own text nothing is taken, since
 * templates may put its images first. undefined if nothing is left.
 */
export function beforeMedia(form: ChatForm): ChatForm | undefined {
  const first = form.messages.findIndex(hasMedia);
  if (first < 0) return form;
  if (first === 0) return undefined;
  const fields = { ...form.fields, add_generation_prompt: false, continue_final_message: false };
  return { messages: form.messages.slice(0, first), fields };
}

/**
 * The template arguments that vLLM makes of a request's own fields (entrypoints/openai/…/protocol.py, `build_chat_params`): they
 * win over the client's `chat_template_kwargs`, except that who sets `enable_thinking` is heard.
 */
export function templateArguments(
  given: unknown,
  {
    reasoning_effort: effort,
    documents,
  }: { readonly reasoning_effort?: unknown; readonly documents?: unknown },
): Json {
  const kwargs: Record<string, unknown> = isObject(given) ? { ...given } : {};
  if (isPresent(documents)) kwargs.documents = documents;
  if (isPresent(effort)) {
    if (!('enable_thinking' in kwargs)) kwargs.enable_thinking = effort !== 'none';
    if (effort !== 'auto') kwargs.reasoning_effort = effort;
  }
  return Object.keys(kwargs).length === 0 ? {} : { chat_template_kwargs: kwargs };
}
