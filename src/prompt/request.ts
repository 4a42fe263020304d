/**
 * What is being asked: the body of a request as a prompt. Checks only what routing needs, and answers a client's
 * mistake in AIBrix's words; what else is wrong with a request, the engine itself will say.
 */
import type { ClientError } from '../domain.ts';
import { isObject, type Json } from './exact-json.ts';
import { findJsonError, placeOf } from './json-error.ts';
import type { KnownBodies } from './known/known-bodies.ts';
import { findFormField, isMultipart } from './multipart.ts';
import { cleanPath, type PromptPath } from './paths.ts';

/** What the prompt is made of, as far as tokenizing needs to know. */
export type PromptContent =
  /** A chat completion: messages rendered through the model's template. */
  | { readonly kind: 'chat' }
  /** `/v1/responses` */
  | { readonly kind: 'responses' }
  /** `/v1/messages` (Anthropic) */
  | { readonly kind: 'messages' }
  /** A plain completion; the first of several prompts. */
  | { readonly kind: 'text'; readonly text: string }
  /** A plain completion given as token ids; the first of several prompts. */
  | { readonly kind: 'tokens'; readonly ids: Uint32Array }
  /** Nothing that a KV cache could hold: routed by load. */
  | { readonly kind: 'none' };

export interface PromptRequest {
  /** As the engines name it: without query and needless slashes, e.g. `/v1/chat/completions`. */
  readonly path: string;
  readonly model: string;
  /** The LoRA adapter, where it is named beside the model: SGLang's `lora_path`, or `base:adapter` for the model. */
  readonly adapter: string | undefined;
  /** `cache_salt`, '' when absent. */
  readonly salt: string;
  /** SGLang's `extra_key` as JSON, '' when absent: it parts the cache as a salt does, and events do not tell of it. */
  readonly extraKey: string;
  readonly content: PromptContent;
  /** The JSON body as parsed, `{}` for multipart bodies. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The body exactly as the client wrote it, before it was compressed. */
  readonly raw: Uint8Array;
}

export type ParsedPrompt =
  | { readonly kind: 'prompt'; readonly prompt: PromptRequest }
  | { readonly kind: 'invalid'; readonly error: ClientError };

/** Reads the part of a body that one endpoint calls its prompt. Throws Mistake. */
type ReadContent = (body: Json) => PromptContent;

const NONE: PromptContent = { kind: 'none' };
const NO_BYTES = new Uint8Array(0);
const readNothing: ReadContent = () => NONE;

/** The paths that have a prompt. */
const READERS: Readonly<Record<PromptPath, ReadContent>> = {
  '/v1/chat/completions': readChat,
  '/v1/completions': readCompletion,
  '/v1/responses': readResponses,
  '/v1/messages': readMessages,
  '/inference/v1/generate': readTokensIn,
  '/generate': readGenerate,
};

/** What has its earlier turns in each body. */
const CONVERSATIONS: ReadonlySet<ReadContent> = new Set([readChat, readResponses, readMessages]);

/**
 * Never throws: whatever is wrong with the bytes is a `malformed_body` whose message names a field and never repeats
 * what the client sent. Of a completion's several prompts the first stands for all, since they all go to one pod.
 * The text of a path that is not routed is not looked at: it is a prompt of kind `none`.
 * @param defaultModel the model of bodies that name none, as engines have one; undefined: they are a mistake
 * @param known parts of earlier bodies, which are not parsed again; undefined: all are
 */
export function parsePrompt(
  path: string,
  contentType: string | undefined,
  raw: Uint8Array,
  defaultModel?: string,
  known?: KnownBodies,
): ParsedPrompt {
  const bare = cleanPath(path);
  const read = Object.hasOwn(READERS, bare) ? READERS[bare as PromptPath] : readNothing;
  try {
    // Only the endpoints that take files take forms; at others the engines answer a form with an error.
    if (read === readNothing && contentType !== undefined && isMultipart(contentType)) {
      const model = modelOfForm(contentType, raw, defaultModel);
      return prompt({ ...promptWithout(bare, model), raw });
    }
    const body =
      known !== undefined && CONVERSATIONS.has(read) ? known.parse(raw, parseObject) : parseObject(raw);
    const model = modelOf(body.model ?? defaultModel);
    const { cache_salt, lora_path, extra_key } = body;
    const context = { adapter: adapterOf(lora_path), salt: saltOf(cache_salt), extraKey: keyOf(extra_key) };
    return prompt({ path: bare, model, ...context, content: read(body), body, raw });
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    return {
      kind: 'invalid',
      error: { kind: 'malformed_body', message: error.message, param: error.param },
    };
  }
}

/** A request of which no more is known than where it goes. */
export function promptWithout(path: string, model: string): PromptRequest {
  const context = { adapter: undefined, salt: '', extraKey: '' };
  return { path: cleanPath(path), model, ...context, content: NONE, body: {}, raw: NO_BYTES };
}

/** A client's mistake; never leaves this file. */
class Mistake extends Error {
  readonly param: string | null;
  constructor(message: string, param: string | null) {
    super(message);
    this.param = param;
  }
}

function prompt(prompt: PromptRequest): ParsedPrompt {
  return { kind: 'prompt', prompt };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const lossyUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function parseObject(raw: Uint8Array): Json {
  if (raw.length === 0) throw unreadable('it is empty');
  let text: string;
  try {
    text = utf8.decode(raw);
  } catch {
    throw unreadable(`invalid UTF-8 at byte ${firstInvalidByte(raw)}`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw unreadable(describeJsonError(text, error));
  }
  if (!isObject(parsed)) throw new Mistake('request body must be a JSON object', null);
  return parsed;
}

function unreadable(why: string): Mistake {
  return new Mistake(`error processing request body: ${why}`, null);
}

/** A SyntaxError's own words quote the text, which is not for logs. */
function describeJsonError(text: string, refused: unknown): string {
  const error = placeOf(refused, text) ?? findJsonError(text);
  if (error === undefined) return 'invalid JSON';
  const { what, position, line, column } = error;
  return `invalid JSON: ${what} at position ${position} (line ${line}, column ${column})`;
}

const STEP_BYTES = 64 * 1024;

/** Where the text with replacements, written again, is something else. */
function firstInvalidByte(raw: Uint8Array): number {
  const again = Buffer.from(lossyUtf8.decode(raw));
  let at = 0;
  while (at < raw.length && again.subarray(at, at + STEP_BYTES).equals(raw.subarray(at, at + STEP_BYTES)))
    at += STEP_BYTES;
  while (at < raw.length && raw[at] === again[at]) at++;
  return at;
}

function modelOf(model: unknown): string {
  if (model === undefined || model === null || model === '') {
    throw new Mistake("'model' is a required property", 'model');
  }
  if (typeof model !== 'string') throw new Mistake("'model' must be a string", 'model');
  return model;
}

function modelOfForm(contentType: string, raw: Uint8Array, defaultModel: string | undefined): string {
  const field = findFormField(contentType, raw, 'model');
  if (field.kind === 'malformed') throw new Mistake('error processing multipart request body', null);
  return modelOf(field.kind === 'found' ? field.value : defaultModel);
}

function saltOf(salt: unknown): string {
  if (salt === undefined || salt === null) return '';
  if (typeof salt !== 'string') throw new Mistake("'cache_salt' must be a string", 'cache_salt');
  return salt;
}

/** Of several prompts the first one's. */
function adapterOf(path: unknown): string | undefined {
  const first = Array.isArray(path) ? path[0] : path;
  return typeof first === 'string' && first !== '' ? first : undefined;
}

function keyOf(key: unknown): string {
  return key === undefined || key === null || key === '' ? '' : JSON.stringify(key);
}

function readChat(body: Json): PromptContent {
  checkMessages(body.messages);
  return { kind: 'chat' };
}

function readMessages(body: Json): PromptContent {
  checkMessages(body.messages);
  return { kind: 'messages' };
}

function checkMessages(messages: unknown): void {
  if (messages === undefined || messages === null) {
    throw new Mistake('no messages in the request body', 'messages');
  }
  if (!Array.isArray(messages)) throw new Mistake("'messages' must be an array", 'messages');
  if (messages.length === 0) throw new Mistake('no messages in the request body', 'messages');
  if (!messages.every(isObject)) throw new Mistake("'messages' must be an array of objects", 'messages');
}

function readResponses({ input }: Json): PromptContent {
  if (input === undefined || input === null) throw new Mistake("'input' is a required property", 'input');
  if (typeof input === 'string') return { kind: 'responses' };
  if (!Array.isArray(input) || !input.every(isObject)) {
    throw new Mistake("'input' must be a string or an array of input items", 'input');
  }
  if (input.length === 0) throw new Mistake("'input' array cannot be empty", 'input');
  return { kind: 'responses' };
}

function readCompletion({ prompt, prompt_embeds }: Json): PromptContent {
  if (prompt === undefined || prompt === null) {
    // vLLM takes embeddings instead of a text; they have no tokens.
    if (prompt_embeds !== undefined && prompt_embeds !== null) return NONE;
    throw new Mistake("'prompt' is a required property", 'prompt');
  }
  if (typeof prompt === 'string') return { kind: 'text', text: prompt };
  if (Array.isArray(prompt)) {
    if (prompt.length === 0) throw new Mistake("'prompt' array cannot be empty", 'prompt');
    if (prompt.every(isString)) return { kind: 'text', text: prompt[0]! };
    if (isTokenIds(prompt)) return { kind: 'tokens', ids: new Uint32Array(prompt) };
    if (prompt.every(isTokenIds)) return { kind: 'tokens', ids: new Uint32Array(prompt[0]!) };
  }
  throw new Mistake("'prompt' must be a string, an array of strings or an array of token ids", 'prompt');
}

/** vLLM's tokens in, tokens out. Images come as what their processor made of them. */
function readTokensIn({ token_ids, features }: Json): PromptContent {
  if (!isTokenIds(token_ids)) throw new Mistake("'token_ids' must be an array of token ids", 'token_ids');
  return features === undefined || features === null
    ? { kind: 'tokens', ids: new Uint32Array(token_ids) }
    : NONE;
}

/** What else enters the cache key of SGLang's own endpoint, or comes before the text. */
const BESIDE_THE_TEXT = [
  ...['image_data', 'video_data', 'audio_data', 'input_embeds', 'session_params'],
] as const;

/** SGLang's own endpoint. The engine will say what is wrong with it. */
function readGenerate(body: Json): PromptContent {
  if (BESIDE_THE_TEXT.some(name => body[name] !== undefined && body[name] !== null)) return NONE;
  const { text, input_ids: ids } = body;
  const first = Array.isArray(text) ? text[0] : text;
  if (typeof first === 'string') return { kind: 'text', text: first };
  const firstIds = Array.isArray(ids) && Array.isArray(ids[0]) ? ids[0] : ids;
  return isTokenIds(firstIds) ? { kind: 'tokens', ids: new Uint32Array(firstIds) } : NONE;
}

/**
 * The text that local tokenizers see, joined as AIBrix joins it: the contents of all messages with a blank between,
 * structured content as JSON (serialized again, so the client's white space does not count), without roles and tools.
 * '' for prompts of token ids and for none.
 */
export function promptText({ content, body }: PromptRequest): string {
  switch (content.kind) {
    case 'chat':
    case 'messages':
      return joinContents(body.messages);
    case 'responses':
      return typeof body.input === 'string' ? body.input : joinContents(body.input);
    case 'text':
      return content.text;
    case 'tokens':
    case 'none':
      return '';
  }
}

/** What of a prompt is shown where prompts may be. */
const EXCERPT_CHARACTERS = 2_000;

/** The beginning of a prompt's text, a string of its own: one that is cut would keep the whole body in memory. */
export function excerptOf(prompt: PromptRequest): string {
  return Buffer.from(promptText(prompt).slice(0, EXCERPT_CHARACTERS)).toString();
}

function joinContents(items: unknown): string {
  return (items as readonly Json[]).map(item => contentText(item.content)).join(' ');
}

function contentText(content: unknown): string {
  if (content === undefined || content === null) return '';
  if (typeof content === 'string') return content;
  try {
    return JSON.stringify(content);
  } catch {
    // Nested deeper than the stack: JSON.parse can read it, but not write it. No engine takes it either.
    return '';
  }
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isTokenIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(id => Number.isInteger(id) && id >= 0 && id <= 0xffffffff);
}
