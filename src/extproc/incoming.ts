/** Envoy's messages, read once into tagged values. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Endpoint } from '../domain.ts';
import * as name from './headers.ts';
import type { WireBodyMode, WireRequest, WireValue } from './wire.ts';

export type RequestMessage =
  | {
      readonly kind: 'request_headers';
      readonly headers: name.Headers;
      /** The pods that the request may go to, as the gateway says: `ip:port` or `ip`; undefined if it says nothing. */
      readonly subset: readonly string[] | undefined;
      readonly endOfStream: boolean;
    }
  | { readonly kind: 'request_body'; readonly body: Buffer; readonly endOfStream: boolean }
  | { readonly kind: 'request_trailers' };

export type ResponseMessage =
  | {
      readonly kind: 'response_headers';
      /** NaN if Envoy does not forward it. */
      readonly status: number;
      /** undefined where the gateway does not say, or nothing that could be an address. */
      readonly servedBy: Endpoint | undefined;
      /** undefined: the body comes as it is. */
      readonly contentEncoding: string | undefined;
      readonly endOfStream: boolean;
    }
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

/** How bodies come that a proxy says nothing of. */
export function unsaidModes(mode: UnsaidMode): Modes {
  return UNSAID[mode];
}

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
      headers: name.readHeaders(wire.request_headers),
      subset: readSubset(metadataOf(wire, name.SUBSET_NAMESPACE, name.SUBSET)),
      endOfStream: wire.request_headers.end_of_stream === true,
    };
  }
  if (wire.request_body) return { kind: 'request_body', ...readBody(wire.request_body) };
  if (wire.request_trailers) return { kind: 'request_trailers' };
  if (wire.response_headers) {
    return {
      kind: 'response_headers',
      status: Number(name.headerOf(wire.response_headers, ':status') ?? Number.NaN),
      servedBy: readServedBy(wire),
      contentEncoding: name.headerOf(wire.response_headers, 'content-encoding'),
      endOfStream: wire.response_headers.end_of_stream === true,
    };
  }
  if (wire.response_body) return { kind: 'response_body', ...readBody(wire.response_body) };
  if (wire.response_trailers) return { kind: 'response_trailers' };
  return { kind: 'unknown' };
}

function readBody({ body, end_of_stream }: { readonly body?: Buffer; readonly end_of_stream?: boolean }) {
  return { body: body ?? NO_BYTES, endOfStream: end_of_stream === true };
}

function metadataOf(
  { metadata_context }: WireRequest,
  namespace: string,
  key: string,
): WireValue | undefined {
  return metadata_context?.filter_metadata?.[namespace]?.fields?.[key];
}

function attributeOf({ attributes }: WireRequest, key: string): WireValue | undefined {
  return attributes?.['envoy.filters.http.ext_proc']?.fields?.[key];
}

function textOf(value: WireValue | undefined): string | undefined {
  return value !== undefined && 'stringValue' in value ? value.stringValue : undefined;
}

/**
 * The protocol's word first: where a proxy stands before the pods, `upstream.address` is the proxy's. Never a header, which a client
 * or an engine could set.
 */
function readServedBy(wire: WireRequest): Endpoint | undefined {
  return (
    endpointIn(textOf(metadataOf(wire, 'envoy.lb', name.DESTINATION_SERVED))) ??
    endpointIn(textOf(attributeOf(wire, name.UPSTREAM_ADDRESS)))
  );
}

/** `ip:port`, IPv6 in brackets. */
function endpointIn(text: string | undefined): Endpoint | undefined {
  const [, v6, v4, port] = /^(?:\[([\da-f:.]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text ?? '') ?? [];
  const isAddress = v6 === undefined ? isIPv4(v4 ?? '') : isIPv6(v6);
  return isAddress && Number(port) <= 65_535 ? (text as Endpoint) : undefined;
}

/** A list, or, where a filter of Envoy's made it from a header, one text with commas. What is neither allows nobody. */
function readSubset(value: WireValue | undefined): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const texts =
    'listValue' in value
      ? (value.listValue.values ?? []).map(each => textOf(each) ?? '')
      : [textOf(value) ?? ''];
  return texts
    .flatMap(text => text.split(','))
    .map(text => text.trim())
    .filter(text => text !== '');
}
