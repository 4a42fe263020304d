/** What a page of the admin port is, and how it answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Audience } from './admission.ts';

/** One request and its answer. */
export interface AdminExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of the query string; of a name that is given several times, the first one counts. */
  readonly query: URLSearchParams;
  /** Decoded, what stands in the path where the route has its `*`; empty for other routes. Untrusted input. */
  readonly rest: string;
  /** The answer may go on for as long as the client reads it, and ends when the server stops. */
  holdOpen(): void;
}

interface Common {
  /** `/debug/pods`; a path that ends in `/*` has all that begin so, if there is something in its place. */
  readonly path: string;
  readonly audience: Audience;
}

export type AdminRoute = Common &
  (
    | {
        readonly method: 'GET';
        /** Also answers HEAD. */
        answer(exchange: AdminExchange): void | Promise<void>;
      }
    | {
        readonly method: 'POST';
        readonly maxBodyBytes: number;
        answer(exchange: AdminExchange, body: Buffer): void | Promise<void>;
      }
  );

export function sendJson(response: ServerResponse, status: number, content: unknown): void {
  send(response, status, 'application/json', JSON.stringify(content));
}

export function send(
  response: ServerResponse,
  status: number,
  type: string,
  content: string | Uint8Array,
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(content),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(content);
}
