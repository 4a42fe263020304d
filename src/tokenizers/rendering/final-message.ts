/**
 * `continue_final_message`: the text ends where the last message does. Transformers marks the place, renders, and cuts there
 * (utils/chat_template_utils.py, `render_jinja_template`).
 */
import { isObject, type Json } from '../../prompt/exact-json.ts';

const MARK = 'CONTINUE_FINAL_MESSAGE_TAG ';
const TRIMMED_MARK = MARK.trim();
/** What Python's `str.strip` takes for white space: not U+FEFF, as JavaScript's `\s` does. */
const SPACES =
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';

export interface ContinuedFinal {
  readonly messages: readonly Json[];
  /** The text up to where the last message ends. undefined: it does not show the message. */
  cut(text: string): string | undefined;
}

/** undefined: the last message has no text, or the template shows none. */
export function continuedFinal(messages: readonly Json[], template: string): ContinuedFinal | undefined {
  const last = messages.at(-1);
  if (last === undefined || !template.includes('content')) return undefined;
  const marked = markedContent(last.content);
  if (marked === undefined) return undefined;
  const shown = stripped(marked.text);
  return {
    messages: [...messages.slice(0, -1), { ...last, content: marked.content }],
    cut(text) {
      const at = text.lastIndexOf(TRIMMED_MARK);
      if (at < 0 || !text.includes(shown)) return undefined;
      const before = text.slice(0, at);
      return text.startsWith(MARK, at) ? before : withoutSpacesBehind(before);
    },
  };
}

function stripped(text: string): string {
  let start = 0;
  while (start < text.length && SPACES.includes(text[start]!)) start++;
  return withoutSpacesBehind(text.slice(start));
}

/** Not by one expression, which takes quadratic time where blanks stand before other text. */
function withoutSpacesBehind(text: string): string {
  let end = text.length;
  while (end > 0 && SPACES.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

function markedContent(content: unknown): { readonly text: string; readonly content: unknown } | undefined {
  if (typeof content === 'string') return { text: content, content: content + MARK };
  if (!Array.isArray(content)) return undefined;
  const at = content.findLastIndex(part => isObject(part) && 'text' in part);
  if (at < 0) return undefined;
  const { text } = content[at] as { readonly text: string };
  return { text, content: content.with(at, { ...content[at], text: text + MARK }) };
}
