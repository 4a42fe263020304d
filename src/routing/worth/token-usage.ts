/** What an engine says of a prompt's tokens at the end of its answer. Nothing else of the answer is looked at. */

export interface TokenUsage {
  /** Of the prompt, cached ones included. */
  readonly promptTokens: number;
  /** Of those, the ones that were not computed. undefined: it does not say. */
  readonly cachedTokens: number | undefined;
}

/** The usage stands last, or before what is short; in answers of `/v1/responses` it is in the last event, which has all of the answer. */
const TAIL_BYTES = 16 * 1024;
const MAX_USAGE_CHARACTERS = 4_096;
/** More than any context. */
const MAX_TOKENS = 1e9;

/** The end of an answer, as it comes in. */
export class AnswerTail {
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#bytes += part.length;
    while (this.#bytes - this.#parts[0]!.length >= TAIL_BYTES) this.#bytes -= this.#parts.shift()!.length;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** A byte a character: what is looked for is ASCII. */
  text(): string {
    return Buffer.concat(this.#parts).subarray(-TAIL_BYTES).toString('latin1');
  }
}

/** Within a string of JSON the quotes would have backslashes: what a model writes is not taken for it. */
const USAGE = /"usage"\s*:\s*(?=\{)/g;

/**
 * The last usage in the tail of a JSON object, or of server-sent events. undefined: there is none that could be one.
 * Formats: OpenAI's chats and completions (`prompt_tokens`, `prompt_tokens_details.cached_tokens`), its responses (`input_tokens`,
 * `input_tokens_details.cached_tokens`), and Anthropic's messages (`input_tokens`, without `cache_read_input_tokens` and
 * `cache_creation_input_tokens`).
 */
export function usageIn(tail: string, path: string): TokenUsage | undefined {
  const places = Array.from(tail.matchAll(USAGE), match => match.index + match[0].length);
  for (const at of places.reverse()) {
    const usage = objectAt(tail, at);
    const told = usage && (path === '/v1/messages' ? messagesUsage(usage) : openaiUsage(usage));
    if (told !== undefined) return told;
  }
  return undefined;
}

type Json = Readonly<Record<string, unknown>>;

function openaiUsage(usage: Json): TokenUsage | undefined {
  const promptTokens = usage.prompt_tokens ?? usage.input_tokens;
  const details = usage.prompt_tokens_details ?? usage.input_tokens_details;
  return usageOf(promptTokens, isObject(details) ? details.cached_tokens : undefined);
}

function messagesUsage(usage: Json): TokenUsage | undefined {
  const { input_tokens, cache_read_input_tokens: cached, cache_creation_input_tokens: created } = usage;
  if (!isCount(input_tokens)) return undefined;
  return usageOf(input_tokens + (isCount(cached) ? cached : 0) + (isCount(created) ? created : 0), cached);
}

function usageOf(promptTokens: unknown, cached: unknown): TokenUsage | undefined {
  if (!isCount(promptTokens)) return undefined;
  if (cached === undefined || cached === null) return { promptTokens, cachedTokens: undefined };
  return isCount(cached) && cached <= promptTokens ? { promptTokens, cachedTokens: cached } : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOKENS;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}

/** The object that begins here, if it ends soon. */
function objectAt(text: string, start: number): Json | undefined {
  const most = Math.min(text.length, start + MAX_USAGE_CHARACTERS);
  let depth = 0;
  let isInString = false;
  for (let at = start; at < most; at++) {
    const character = text[at];
    if (isInString) {
      if (character === '\\') at++;
      else if (character === '"') isInString = false;
    } else if (character === '"') isInString = true;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return parsed(text.slice(start, at + 1));
  }
  return undefined;
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
