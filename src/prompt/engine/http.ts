/** Requests to an engine over HTTP/1.1 with keep-alive, within bounds. The only place that knows undici. */
import { Agent } from 'undici';
import { readBody } from '../../bounded-body.ts';
import { TokenizerError } from '../tokenizer.ts';

export interface EngineHttpOptions {
  readonly maxConnectionsPerPod: number;
  /** A longer answer is an error. */
  readonly maxResponseBytes: number;
  readonly access?: EngineAccess;
}

/** What engines want of their clients, and show of themselves. */
export interface EngineAccess {
  /** Sent as `authorization: Bearer …` with every request; never logged. */
  readonly apiKey: string | undefined;
  /** PEM certificates that those of https engines are checked against; undefined: Node's own list. */
  readonly ca: string | undefined;
}

export interface EngineResponse {
  readonly status: number;
  /** The parsed JSON body; undefined if it is not JSON. */
  readonly body: unknown;
}

export interface EngineHttp {
  /**
   * Both reject with TokenizerError: `unavailable` when there is no answer that could be read, `aborted` when `signal` is.
   * @param url of the request, e.g. `http://10.0.0.1:8000/tokenize`
   * @param more headers beside those that each request has
   */
  postJson(
    url: string,
    body: Uint8Array | string,
    signal: AbortSignal,
    more?: Readonly<Record<string, string>>,
  ): Promise<EngineResponse>;
  getJson(url: string, signal: AbortSignal): Promise<EngineResponse>;
  /** Ends all connections, in use or not. */
  close(): Promise<void>;
}

export function createEngineHttp(options: EngineHttpOptions): EngineHttp {
  const { apiKey, ca } = options.access ?? {};
  const tooLong = () => new RangeError(`the answer is longer than ${options.maxResponseBytes} bytes`);
  const agent = new Agent({
    connections: options.maxConnectionsPerPod,
    // vLLM speaks HTTP/1.1 only, one request per connection at a time.
    pipelining: 1,
    allowH2: false,
    // Less than the 5 s after which uvicorn, vLLM's server, closes an idle connection: a POST that meets the close fails.
    keepAliveTimeout: 4000,
    keepAliveMaxTimeout: 4000,
    // The caller's signal bounds the whole call.
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(ca !== undefined && { connect: { ca } }),
  });

  async function request(
    url: string,
    sent: { readonly method: 'GET' } | { readonly method: 'POST'; readonly body: Uint8Array | string },
    signal: AbortSignal,
    more: Readonly<Record<string, string>> = {},
  ): Promise<EngineResponse> {
    const { origin, pathname, search } = new URL(url);
    const headers = {
      ...more,
      accept: 'application/json',
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      ...(sent.method === 'POST' && { 'content-type': 'application/json' }),
    };
    try {
      const response = await agent.request({ origin, path: pathname + search, headers, signal, ...sent });
      const text = await readBody(response.body, options.maxResponseBytes, tooLong);
      return { status: response.statusCode, body: parseJson(text) };
    } catch (cause) {
      if (signal.aborted) throw new TokenizerError('aborted', 'the call was cancelled', { cause });
      throw new TokenizerError('unavailable', 'no answer from the engine', { cause });
    }
  }

  return {
    postJson: (url, body, signal, more) => request(url, { method: 'POST', body }, signal, more),
    getJson: (url, signal) => request(url, { method: 'GET' }, signal),
    close: () => agent.destroy(),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
