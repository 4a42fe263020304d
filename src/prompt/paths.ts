/** Every path that the router has an opinion of. `docs/paths.md` is the same table for operators. */
import type { PathRule } from '../domain.ts';

/**
 * How a request to a path is treated.
 * - `prefix`: to the pod that holds most of its prompt;
 * - `load`: by model, to the least loaded pod;
 * - `refused`: not for clients, unless they are allowed to (`AllowedPaths`).
 */
export type Treatment = 'prefix' | 'load' | 'refused';

export type PromptPath = (typeof PREFIX)[number];

const PREFIX = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/messages',
  '/inference/v1/generate',
  '/generate',
] as const;

const LOAD = [
  '/v1/messages/count_tokens',
  '/v1/embeddings',
  '/v1/rerank',
  '/v2/rerank',
  '/rerank',
  '/v1/score',
  '/score',
  '/v1/classify',
  '/classify',
  '/pooling',
  '/tokenize',
  '/detokenize',
  '/v1/tokenize',
  '/v1/detokenize',
  '/v1/moderations',
  '/v1/images/generations',
  '/v1/images/edits',
  '/v1/images/variations',
  '/v1/video/generations',
  '/v1/audio/transcriptions',
  '/v1/audio/translations',
  '/v1/audio/speech',
] as const;

/** They change one pod behind everybody's back: what the others serve would differ from it. */
const ADAPTERS = ['/v1/load_lora_adapter', '/v1/unload_lora_adapter'] as const;

/** They cost an engine as much as tokenizing does, and show how it renders. We ask them ourselves. */
const RENDER = [
  '/v1/chat/completions/render',
  '/v1/completions/render',
  '/v1/responses/render',
  '/v1/messages/render',
] as const;

/** `engine_internal`: also those that are `refused` otherwise. */
export type AllowedPaths = 'public' | 'engine_internal';

const RESPONSES = '/v1/responses';
const MODELS = '/v1/models';

export const PATHS: ReadonlyMap<string, Treatment> = new Map<string, Treatment>([
  ...PREFIX.map(path => [path, 'prefix'] as const),
  ...LOAD.map(path => [path, 'load'] as const),
  ...[...ADAPTERS, ...RENDER].map(path => [path, 'refused'] as const),
]);

const TOKEN_IDS: ReadonlySet<string> = new Set([
  '/v1/completions',
  '/v1/embeddings',
  '/inference/v1/generate',
  '/generate',
  '/detokenize',
  '/v1/detokenize',
]);

/** Whether a prompt may be given as token ids. */
export function takesTokenIds(path: string): boolean {
  return TOKEN_IDS.has(cleanPath(path));
}

/**
 * What Envoy's door has to know of the path of a request, with its query or without.
 * @param followsResponses whether there is any use now in remembering which pod made which response
 */
export function pathRules(
  allowed: AllowedPaths,
  followsResponses: () => boolean,
): (path: string) => PathRule {
  const isRender: ReadonlySet<string> = new Set(RENDER);
  return path => {
    const clean = cleanPath(path);
    const errors = isUnder(clean, '/v1/messages') ? 'anthropic' : 'openai';
    switch (PATHS.get(clean)) {
      case 'prefix':
      case 'load':
        if (clean === RESPONSES && followsResponses()) return { treatment: 'makes_response', errors };
        return { treatment: 'routed', errors };
      case 'refused':
        if (allowed === 'public') return { treatment: 'refused', errors };
        return { treatment: isRender.has(clean) ? 'routed' : 'passed_on', errors };
      case undefined:
        if (isUnder(clean, MODELS)) return { treatment: 'models', model: modelIn(clean), errors };
        if (responseIdIn(clean) !== undefined && followsResponses())
          return { treatment: 'names_response', errors };
        return { treatment: 'passed_on', errors };
    }
  };
}

/** What of a path may be shown: of a closed set, whatever clients ask for. */
export function pathClassOf(path: string): string {
  if (PATHS.has(path)) return path;
  const clean = cleanPath(path);
  if (PATHS.has(clean)) return clean;
  if (responseIdIn(clean) !== undefined) return `${RESPONSES}/{id}`;
  return isUnder(clean, MODELS) ? MODELS : 'other';
}

/** The response that a path names, as `/v1/responses/resp_1/cancel` does; undefined: none. */
export function responseIdIn(cleanPath: string): string | undefined {
  if (!cleanPath.startsWith(`${RESPONSES}/`) || PATHS.has(cleanPath)) return undefined;
  return cleanPath.split('/', 4)[3];
}

/** As in `/v1/models/meta-llama/Llama-3.1-8B`. */
function modelIn(cleanPath: string): string | undefined {
  return cleanPath.startsWith(`${MODELS}/`) ? cleanPath.slice(MODELS.length + 1) : undefined;
}

/**
 * The path that an engine's web framework would serve: without query, its escapes read as UTF-8, and without trailing and doubled slashes, for
 * which FastAPI redirects or answers 404. For routing alone: the request goes on as it came.
 */
export function cleanPath(path: string): string {
  const end = path.search(/[?#]/);
  const bare = end < 0 ? path : path.slice(0, end);
  if (PATHS.has(bare)) return bare;
  const read = bare.replace(/(?:%[0-9a-f]{2})+/gi, octets =>
    Buffer.from(octets.replaceAll('%', ''), 'hex').toString('utf8'),
  );
  return read.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
}

function isUnder(path: string, parent: string): boolean {
  return path === parent || path.startsWith(`${parent}/`);
}
