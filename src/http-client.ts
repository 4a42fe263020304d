/** HTTP to one server, as a command asks it: each answer whole, and within bounds of time and bytes. */
import { Agent } from 'undici';
import { readBody } from './bounded-body.ts';

/** How the server's certificate is checked. `any`: not at all. */
export type Trust =
  | { readonly kind: 'system' }
  | { readonly kind: 'ca'; readonly pem: string }
  | { readonly kind: 'any' };

export interface HttpAnswer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly text: string;
}

export interface HttpClient {
  /**
   * @param body sent by POST, as JSON, which bytes are already; undefined: GET
   * @throws the system's error, the reason of `signal`, or AnswerTooLong
   */
  ask(path: string, body: object | undefined, signal: AbortSignal): Promise<HttpAnswer>;
  close(): Promise<void>;
}

export interface HttpClientOptions {
  /** With or without a path, to which paths are appended. */
  readonly base: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly trust: Trust;
  /** A longer answer is an error. Default: a megabyte. */
  readonly maxAnswerBytes?: number;
}

const DEFAULT_MAX_ANSWER_BYTES = 1 << 20;

export class AnswerTooLong extends Error {
  override readonly name = 'AnswerTooLong';
}

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { base, headers, trust, maxAnswerBytes = DEFAULT_MAX_ANSWER_BYTES } = options;
  const tooLong = () => new AnswerTooLong(`the answer is longer than ${maxAnswerBytes} bytes`);
  const agent = new Agent({
    // The caller's signal bounds the whole call.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      ...(trust.kind === 'ca' && { ca: trust.pem }),
      ...(trust.kind === 'any' && { rejectUnauthorized: false }),
    },
  });
  const prefix = base.pathname.replace(/\/+$/, '');
  return {
    async ask(path, body, signal) {
      const response = await agent.request({
        origin: base.origin,
        path: prefix + path,
        signal,
        ...(body === undefined
          ? { method: 'GET', headers }
          : {
              method: 'POST',
              headers: { 'content-type': 'application/json', ...headers },
              body: body instanceof Uint8Array ? body : JSON.stringify(body),
            }),
      });
      return {
        status: response.statusCode,
        header: name => response.headers[name]?.toString(),
        text: await readBody(response.body, maxAnswerBytes, tooLong),
      };
    },
    close: () => agent.destroy(),
  };
}

/** An answer whose body is taken as it comes. */
export interface HttpStream {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  /** To be read, or discarded. Leaving it early ends the connection. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

/** HTTP to any server. Redirects are answers like others: whoever asks says whom to trust with what. */
export interface HttpStreams {
  /** @throws the system's error, or the reason of `signal` */
  open(
    method: 'GET' | 'HEAD',
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpStream>;
  close(): Promise<void>;
}

/** @param silenceMs how long to wait for a connection, for an answer, and for more of it */
export function createHttpStreams({ silenceMs }: { readonly silenceMs: number }): HttpStreams {
  const agent = new Agent({
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connect: { timeout: silenceMs },
  });
  return {
    async open(method, url, headers, signal) {
      const { origin, pathname, search } = url;
      const response = await agent.request({ origin, path: pathname + search, method, headers, signal });
      return {
        status: response.statusCode,
        header: name => response.headers[name]?.toString(),
        body: response.body,
        discard: () => response.body.dump(),
      };
    },
    close: () => agent.destroy(),
  };
}
