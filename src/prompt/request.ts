/** What is being asked: contract only, implementation to follow. */
import type { ClientError } from '../domain.ts';

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
  /** Without the query string, e.g. `/v1/chat/completions`. */
  readonly path: string;
  readonly model: string;
  /** `cache_salt`, '' when absent. */
  readonly salt: string;
  readonly content: PromptContent;
  /** The JSON body as parsed, `{}` for multipart bodies. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The body exactly as the client sent it. */
  readonly raw: Uint8Array;
}

export type ParsedPrompt =
  | { readonly kind: 'prompt'; readonly prompt: PromptRequest }
  | { readonly kind: 'invalid'; readonly error: ClientError };
