/** What Envoy says on an ext_proc stream, spelt the way it spells it: lower-case keys, `raw_value` only, absent defaults. */
import type { WireHeaderMutation, WireHttpHeaders, WireRequest } from '../../src/extproc/wire.ts';

export type ProtocolConfig = NonNullable<WireRequest['protocol_config']>;

export const CHAT_PATH = '/v1/chat/completions';

export const POST_CHAT: Readonly<Record<string, string>> = {
  ':method': 'POST',
  ':path': CHAT_PATH,
  ':authority': 'llm.example',
  'content-type': 'application/json',
};

export interface HeadersGiven {
  readonly headers?: Readonly<Record<string, string>>;
  /** Present on a stream's first message only. */
  readonly config?: ProtocolConfig;
  readonly endOfStream?: boolean;
}

/** A POST of a chat completion, unless `headers` say otherwise; they are laid over it. */
export function requestHeaders({ headers, config, endOfStream }: HeadersGiven = {}): WireRequest {
  return {
    request_headers: httpHeaders({ ...POST_CHAT, ...headers }, endOfStream),
    ...(config && { protocol_config: config }),
  };
}

export function requestBody(body: string | Buffer, end?: 'end'): WireRequest {
  return { request_body: { body: Buffer.from(body), ...(end && { end_of_stream: true }) } };
}

export const requestTrailers: WireRequest = { request_trailers: {} };

export function responseHeaders(status = 200): WireRequest {
  return { response_headers: httpHeaders({ ':status': String(status) }, false) };
}

export function responseBody(body: string | Buffer, end?: 'end'): WireRequest {
  return { response_body: { body: Buffer.from(body), ...(end && { end_of_stream: true }) } };
}

export const responseTrailers: WireRequest = { response_trailers: {} };

function httpHeaders(headers: Readonly<Record<string, string>>, endOfStream = false): WireHttpHeaders {
  return {
    headers: {
      headers: Object.entries(headers).map(([key, value]) => ({ key, raw_value: Buffer.from(value) })),
    },
    ...(endOfStream && { end_of_stream: true }),
  };
}

/** Name → value of the headers that a mutation sets. */
export function headersSet(mutation: WireHeaderMutation | undefined): Map<string, string> {
  return new Map(
    (mutation?.set_headers ?? []).map(({ header }) => [header!.key!, String(header!.raw_value)]),
  );
}
