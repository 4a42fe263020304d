/**
 * What an engine's answer to `…/render` or `/tokenize` means.
 *
 * - render of chat, responses and messages: `{token_ids: [int], features, …}`; of completions: a list of those, one per prompt.
 *   `features` is null, or says which tokens stand for an image or the like: `{mm_hashes: {image: [text]}, mm_placeholders: {image:
 *   [{offset, length}]}, …}`;
 * - tokenize: `{count, max_model_len, tokens: [int], token_strs}`; SGLang's has the same `tokens`;
 * - errors: `{error: {message, type, param, code}}`, in older versions flat, and `{detail}` from the web framework for a
 *   path that does not exist. Their texts may repeat the client's input (vLLM 0.23 does): they are read, never passed on.
 */
import { z } from 'zod';
import type { MediaItem } from '../../domain.ts';
import type { EngineResponse } from './http.ts';

export type EngineRoute = 'render' | 'tokenize';

/**
 * - `refused`: the request is invalid, the engine will tell the client so itself;
 * - `absent`: the engine does not serve this route, or (`unauthorized`) not to who does not give its API key;
 * - `failed`: anything else, another pod may do better.
 */
export type EngineAnswer =
  | { readonly kind: 'tokens'; readonly ids: Uint32Array; readonly media: readonly MediaItem[] }
  | { readonly kind: 'refused' }
  | { readonly kind: 'absent' | 'unauthorized' }
  | { readonly kind: 'failed' };

/**
 * vLLM answers 403 for render without `--enable-scale-out` (0.30 and later), 404 for an unknown path, 405 where the path
 * exists for another method only (0.23's `/v1/responses/{id}` catches `/v1/responses/render`), 501 for what the model's
 * kind does not do.
 */
const ABSENT: ReadonlySet<number> = new Set([403, 404, 405, 501]);

/** Not the request's fault, although 4xx. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429]);

export function readAnswer(route: EngineRoute, { status, body }: EngineResponse): EngineAnswer {
  if (status === 200) {
    const first = route === 'render' && Array.isArray(body) ? body[0] : body;
    const ids = tokenIds(field(first, route === 'render' ? 'token_ids' : 'tokens'));
    const media = route === 'render' ? mediaOf(field(first, 'features')) : [];
    // Without them, another image would count as the same prompt.
    if (ids === undefined || media === undefined) return { kind: 'failed' };
    return { kind: 'tokens', ids, media };
  }
  if (status === 404 && isUnknownModel(body)) return { kind: 'refused' };
  if (status === 401) return { kind: 'unauthorized' };
  if (ABSENT.has(status)) return { kind: 'absent' };
  if (status >= 400 && status < 500 && !TRANSIENT.has(status)) return { kind: 'refused' };
  return { kind: 'failed' };
}

const featuresSchema = z.object({
  mm_hashes: z.record(z.string(), z.array(z.string())),
  mm_placeholders: z.record(
    z.string(),
    z.array(z.object({ offset: z.int().nonnegative(), length: z.int().positive() })),
  ),
});

/** undefined: they cannot be read. */
function mediaOf(features: unknown): MediaItem[] | undefined {
  if (features === undefined || features === null) return [];
  const read = featuresSchema.safeParse(features);
  if (!read.success) return undefined;
  const { mm_hashes, mm_placeholders } = read.data;
  const media: MediaItem[] = [];
  for (const [modality, identifiers] of Object.entries(mm_hashes)) {
    const places = mm_placeholders[modality] ?? [];
    if (places.length !== identifiers.length) return undefined;
    for (const [i, identifier] of identifiers.entries()) media.push({ identifier, ...places[i]! });
  }
  return media.sort((a, b) => a.offset - b.offset);
}

function tokenIds(tokens: unknown): Uint32Array | undefined {
  if (!Array.isArray(tokens)) return undefined;
  const ids = new Uint32Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) {
    ids[i] = tokens[i];
    // Uint32Array wraps, rounds and converts: only a token id survives unchanged.
    if (ids[i] !== tokens[i]) return undefined;
  }
  return ids;
}

/** A 404 that is about the model, not about the path. */
function isUnknownModel(body: unknown): boolean {
  const error = field(body, 'error') ?? body;
  const message = field(error, 'message');
  return field(error, 'param') === 'model' || (typeof message === 'string' && /\bmodel\b/i.test(message));
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
