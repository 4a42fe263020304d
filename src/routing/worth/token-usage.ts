/** What an engine says of a prompt's tokens at the end of its answer. Nothing else of the answer is looked at. */

export interface TokenUsage {
  /** Of the prompt, cached ones included. */
  readonly promptTokens: number;
  /** Of those, the ones that were not computed. undefined: it does not say. */
  readonly cachedTokens: number | undefined;
  /** Of the answer. undefined: it does not say. */
  readonly generatedTokens: number | undefined;
}

/** The usage stands last, or before what is short; in answers of `/v1/responses` it is in the last event, which has all of the answer. */
const TAIL_BYTES = 16 * 1024;
const MAX_USAGE_CHARACTERS = 4_096;
/** Of an answer that has more of them only the last ones are looked at: each takes a walk to the end of the tail. */
const MAX_PLACES = 16;
/** More than any context. */
const MAX_TOKENS = 1e9;

/** The end of an answer, as it comes in. */
export class AnswerTail {
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  push(part: Uint8Array): void {
    // A copy: a part of a message keeps all of it in memory.
    const end = Buffer.from(part.subarray(-TAIL_BYTES));
    this.#parts.push(end);
    this.#bytes += end.length;
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
 * How deep a usage stands in its answer, or event. Deeper ones are a client's own, in what the engine repeats of the request (the
 * schema of a tool), or a model's (what it calls a tool with).
 */
const DEPTHS: ReadonlyMap<string, readonly number[]> = new Map([
  ['/v1/messages', [1, 2]],
  ['/v1/responses', [1, 2]],
]);
const OTHER_DEPTHS: readonly number[] = [1];

/**
 * The last usage in the tail of a JSON object, or of server-sent events. undefined: there is none that could be one.
 * Formats: OpenAI's chats and completions (`prompt_tokens`, `prompt_tokens_details.cached_tokens`, `completion_tokens`), its
 * responses (`input_tokens`, `input_tokens_details.cached_tokens`, `output_tokens`), and Anthropic's messages (`input_tokens`, without
 * `cache_read_input_tokens` and `cache_creation_input_tokens`, and `output_tokens`).
 */
export function usageIn(tail: string, path: string): TokenUsage | undefined {
  const places = Array.from(tail.matchAll(USAGE), match => match.index + match[0].length);
  const depths = DEPTHS.get(path) ?? OTHER_DEPTHS;
  for (const at of places.slice(-MAX_PLACES).reverse()) {
    const end = closedAt(tail, at, 'begins');
    if (end === undefined || !depths.includes(depthBehind(tail, end))) continue;
    const usage = parsed(tail.slice(at, end));
    const told = usage && (path === '/v1/messages' ? messagesUsage(usage) : openaiUsage(usage));
    if (told !== undefined) return told;
  }
  return undefined;
}

type Json = Readonly<Record<string, unknown>>;

function openaiUsage(usage: Json): TokenUsage | undefined {
  const promptTokens = usage.prompt_tokens ?? usage.input_tokens;
  const details = usage.prompt_tokens_details ?? usage.input_tokens_details;
  const generated = usage.completion_tokens ?? usage.output_tokens;
  return usageOf(promptTokens, isObject(details) ? details.cached_tokens : undefined, generated);
}

function messagesUsage(usage: Json): TokenUsage | undefined {
  const { input_tokens, cache_read_input_tokens: cached, cache_creation_input_tokens: created } = usage;
  if (!isCount(input_tokens)) return undefined;
  const promptTokens = input_tokens + (isCount(cached) ? cached : 0) + (isCount(created) ? created : 0);
  return usageOf(promptTokens, cached, usage.output_tokens);
}

function usageOf(promptTokens: unknown, cached: unknown, generated: unknown): TokenUsage | undefined {
  if (!isCount(promptTokens)) return undefined;
  const generatedTokens = isCount(generated) ? generated : undefined;
  if (cached === undefined || cached === null)
    return { promptTokens, cachedTokens: undefined, generatedTokens };
  if (!isCount(cached) || cached > promptTokens) return undefined;
  return { promptTokens, cachedTokens: cached, generatedTokens };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOKENS;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}

/**
 * Behind the bracket that closes the object or list which is open in this place, or begins there. undefined: there is none, or, of one
 * that begins there, not soon.
 */
function closedAt(text: string, place: number, which: 'begins' | 'is_open'): number | undefined {
  const end = which === 'is_open' ? text.length : Math.min(text.length, place + MAX_USAGE_CHARACTERS);
  let depth = which === 'is_open' ? 1 : 0;
  let isInString = false;
  for (let at = place; at < end; at++) {
    const character = text[at];
    if (isInString) {
      if (character === '\\') at++;
      else if (character === '"') isInString = false;
    } else if (character === '"') isInString = true;
    else if (character === '{' || character === '[') depth++;
    else if ((character === '}' || character === ']') && --depth === 0) return at + 1;
  }
  return undefined;
}

/** What there is behind a value of a list or an object that goes on. */
const GOES_ON = /\s*[,\]}]/y;

/** In how many lists and objects the value stands that ends here; 0: in none that is complete. */
function depthBehind(text: string, end: number): number {
  let depth = 0;
  for (let at = end; ; depth++) {
    GOES_ON.lastIndex = at;
    if (!GOES_ON.test(text)) return depth;
    const next = closedAt(text, at, 'is_open');
    if (next === undefined) return 0;
    at = next;
  }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
