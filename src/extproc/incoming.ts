/** Envoy's messages, read once into tagged values. */
import { type Headers, readHeaders } from './headers.ts';
import type { WireBodyMode, WireRequest } from './wire.ts';

export type RequestMessage =
  | { readonly kind: 'request_headers'; readonly headers: Headers; readonly endOfStream: boolean }
  | { readonly kind: 'request_body'; readonly body: Buffer; readonly endOfStream: boolean }
  | { readonly kind: 'request_trailers' };

export type ResponseMessage =
  | { readonly kind: 'response_headers'; readonly endOfStream: boolean }
  | { readonly kind: 'response_body'; readonly body: Buffer; readonly endOfStream: boolean }
  | { readonly kind: 'response_trailers' };

/** A message of a kind that this protocol version does not know is `unknown`: it cannot be answered. */
export type Incoming = RequestMessage | ResponseMessage | { readonly kind: 'unknown' };

/**
 * How Envoy sends bodies and what it waits for. `held`: it waits for the reply to the headers while the body is already
 * coming, so the decision can be carried by that reply.
 */
export interface Modes {
  readonly request: WireBodyMode;
  readonly response: WireBodyMode;
  readonly requestHeaders: 'held' | 'answered_first';
}

/** What a proxy means that does not say it, as Envoy before 1.34. */
export type UnsaidMode = 'BUFFERED' | 'FULL_DUPLEX_STREAMED';

const UNSAID: Readonly<Record<UnsaidMode, Modes>> = {
  /** As our own and AIBrix's configuration have it. */
  BUFFERED: { request: 'BUFFERED', response: 'NONE', requestHeaders: 'answered_first' },
  /** The only mode that the endpoint picker's protocol knows. */
  FULL_DUPLEX_STREAMED: {
    ...{ request: 'FULL_DUPLEX_STREAMED', response: 'FULL_DUPLEX_STREAMED', requestHeaders: 'held' },
  },
};

const NO_BYTES = Buffer.alloc(0);

/** From the first message of a stream. */
export function readModes({ protocol_config: config }: WireRequest, unsaid: UnsaidMode): Modes {
  if (!config) return UNSAID[unsaid];
  const request = config.request_body_mode ?? 'NONE';
  const held =
    request === 'FULL_DUPLEX_STREAMED' ||
    (request === 'STREAMED' && config.send_body_without_waiting_for_header_response === true);
  return {
    request,
    response: config.response_body_mode ?? 'NONE',
    requestHeaders: held ? 'held' : 'answered_first',
  };
}

export function readMessage(wire: WireRequest): Incoming {
  if (wire.request_headers) {
    return {
      kind: 'request_headers',
      headers: readHeaders(wire.request_headers),
      endOfStream: wire.request_headers.end_of_stream === true,
    };
  }
  if (wire.request_body) return { kind: 'request_body', ...readBody(wire.request_body) };
  if (wire.request_trailers) return { kind: 'request_trailers' };
  if (wire.response_headers) {
    return { kind: 'response_headers', endOfStream: wire.response_headers.end_of_stream === true };
  }
  if (wire.response_body) return { kind: 'response_body', ...readBody(wire.response_body) };
  if (wire.response_trailers) return { kind: 'response_trailers' };
  return { kind: 'unknown' };
}

function readBody({ body, end_of_stream }: { readonly body?: Buffer; readonly end_of_stream?: boolean }) {
  return { body: body ?? NO_BYTES, endOfStream: end_of_stream === true };
}
