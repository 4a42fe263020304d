/** What a client of the gateway sees, over real HTTP. */
import type { IncomingHttpHeaders } from 'node:http';
import { performance } from 'node:perf_hooks';
import { Agent, request } from 'undici';

export type ClientHeaders = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The `usage` of the answer or, streamed, of its last chunk; undefined if there is none. */
  readonly usage: Usage | undefined;
  /** From sending the request to the first byte of the body. */
  readonly firstByteMs: number;
  /** What the router says about its decision, if it was asked and has decided. */
  readonly decision: ShownDecision | undefined;
  /** `ip:port` of the pod that served, by Envoy's own word. */
  readonly servedBy: string | undefined;
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

export interface ShownDecision {
  /** Name of the pod. */
  readonly pod: string;
  readonly reason: string;
  readonly matchedBlocks: number;
  readonly totalBlocks: number;
}

/** An answer whose first bytes are there. */
export interface Streaming {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** All of it, when it has ended. Rejects if it was cut off. */
  readonly text: Promise<string>;
  /** Hangs up. */
  abort(): void;
}

export interface LlmClient {
  get(path: string, headers?: ClientHeaders): Promise<Answer>;
  /** An object is sent as JSON, bytes as they are. */
  post(path: string, body: object | Buffer, headers?: ClientHeaders): Promise<Answer>;
  /** Resolves with the first bytes of the body. */
  stream(path: string, body: object, headers?: ClientHeaders): Promise<Streaming>;
  close(): Promise<void>;
}

export function createLlmClient(url: string, standardHeaders: ClientHeaders): LlmClient {
  const dispatcher = new Agent({ bodyTimeout: 60_000, headersTimeout: 60_000 });
  const open = (method: 'GET' | 'POST', path: string, headers: ClientHeaders, body?: object | Buffer) =>
    request(url + path, {
      method,
      dispatcher,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...standardHeaders,
        ...headers,
      },
      ...(body !== undefined && { body: Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
    });

  async function whole(...asked: Parameters<typeof open>): Promise<Answer> {
    const started = performance.now();
    const { statusCode, headers, body } = await open(...asked);
    let firstByteMs = Number.NaN;
    body.once('data', () => {
      firstByteMs = performance.now() - started;
    });
    const text = await body.text();
    const servedBy = headers['x-target-pod']?.toString();
    return {
      ...{ status: statusCode, headers, text, firstByteMs, servedBy },
      usage: usageIn(text),
      decision: decisionIn(headers),
    };
  }

  return {
    get: (path, headers = {}) => whole('GET', path, headers),
    post: (path, body, headers = {}) => whole('POST', path, headers, body),
    async stream(path, content, headers = {}) {
      const { statusCode, headers: answered, body } = await open('POST', path, headers, content);
      body.setEncoding('utf8');
      const chunks = body[Symbol.asyncIterator]();
      const first = await chunks.next();
      const text = (async () => {
        let all = String(first.value ?? '');
        for (let next = await chunks.next(); !next.done; next = await chunks.next()) all += next.value;
        return all;
      })();
      // Nobody needs to wait for an answer that is evicted.
      text.catch(() => {});
      return { status: statusCode, headers: answered, text, abort: () => body.destroy() };
    },
    close: () => dispatcher.destroy(),
  };
}

function usageIn(text: string): Usage | undefined {
  const last = text.match(/"usage":(\{(?:[^{}]|\{[^{}]*\})*\})/g)?.at(-1);
  if (last === undefined) return undefined;
  const { usage } = JSON.parse(`{${last}}`) as {
    usage: { prompt_tokens: number; prompt_tokens_details?: { cached_tokens?: number } | null };
  };
  return {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

export function decisionIn(headers: IncomingHttpHeaders): ShownDecision | undefined {
  const reason = headers['x-warmroute-reason'];
  if (reason === undefined) return undefined;
  return {
    pod: String(headers['x-warmroute-pod']),
    reason: String(reason),
    matchedBlocks: Number(headers['x-warmroute-matched-blocks']),
    totalBlocks: Number(headers['x-warmroute-total-blocks']),
  };
}
