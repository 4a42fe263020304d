/** How the body of `POST /debug/route` is read. */
import { z } from 'zod';
import type { DryRequest } from '../../extproc/dry-exchange.ts';
import { isCostlyJson } from '../../prompt/json-cost.ts';

export type ReadDryRequest =
  | { readonly kind: 'read'; readonly request: DryRequest }
  /** `why`: for the operator. */
  | { readonly kind: 'invalid'; readonly why: string };

const text = z.string().max(65_536);

const envelope = z.strictObject({
  path: text.startsWith('/', { error: 'must begin with /, as /v1/chat/completions' }),
  method: z
    .string()
    .regex(/^[A-Z]{1,16}$/, { error: 'must be an HTTP method in capitals' })
    .default('POST'),
  headers: z.record(text, text).default({}),
  /** A text is sent as it is, everything else as JSON; without it, the request has no body. */
  body: z.unknown().optional(),
  /** As a gateway would give it in `x-gateway-destination-endpoint-subset`. */
  subset: z.array(text).optional(),
  /** How the proxy sends bodies: as an inference gateway does, or not. */
  bodyMode: z.enum(['BUFFERED', 'FULL_DUPLEX_STREAMED']).optional(),
});

export interface DryRequestParts {
  /** Headers of the POST itself, in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The query parameter; undefined: `body` is an envelope. */
  readonly path: string | undefined;
  readonly body: Buffer;
  readonly defaultMode: DryRequest['mode'];
}

/** With `path`, headers and body of the POST are those of the request; without, its body says what they are. */
export function readDryRequest({ headers, path, body, defaultMode }: DryRequestParts): ReadDryRequest {
  if (path !== undefined) {
    if (!path.startsWith('/')) return invalid('path must begin with /, as /v1/chat/completions');
    const own = Object.entries(headers).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as const] : [],
    );
    return read([...own, [':path', path], [':method', 'POST']], {
      subset: undefined,
      body,
      mode: defaultMode,
    });
  }
  if (body.length > MAX_ENVELOPE_BYTES)
    return invalid(`it has more than ${MAX_ENVELOPE_BYTES} bytes: ${BARE}`);
  if (isCostlyJson(body, 'unexpected')) return invalid(`it has too many values to be parsed here: ${BARE}`);
  const parsed = envelope.safeParse(parseJson(body));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue!.path.length > 0 ? `${issue!.path.join('.')}: ` : '';
    return invalid(`${where}${issue!.message}; ${HOW}`);
  }
  const asked = parsed.data;
  const own = bodyOf(asked.body);
  if (own === undefined) return invalid(`its body is nested too deeply: ${BARE}`);
  return read(
    [
      ['content-type', 'application/json'],
      ...Object.entries(asked.headers).map(([name, value]) => [name.toLowerCase(), value] as const),
      [':path', asked.path],
      [':method', asked.method],
    ],
    { subset: asked.subset, body: own, mode: asked.bodyMode ?? defaultMode },
  );
}

/** It is parsed, written and parsed again: what is larger would keep requests waiting. */
const MAX_ENVELOPE_BYTES = 1 << 20;
const BARE = 'send the request’s own body, with its path as ?path=';

const HOW =
  'expected is {"path": "/v1/chat/completions", "headers": {…}, "body": {…}}, or the request’s own body with ?path=/v1/chat/completions';

function read(
  headers: readonly (readonly [name: string, value: string])[],
  others: Omit<DryRequest, 'headers'>,
): ReadDryRequest {
  return { kind: 'read', request: { headers: new Map(headers), ...others } };
}

function invalid(why: string): ReadDryRequest {
  return { kind: 'invalid', why };
}

/** undefined: it is none. */
function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** undefined: JSON.parse can read it, and not write it. */
function bodyOf(body: unknown): Buffer | undefined {
  if (body === undefined || body === null) return Buffer.alloc(0);
  try {
    return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  } catch {
    return undefined;
  }
}
