/**
 * Builds every ProcessingResponse there is; those that are always the same are frozen. Bytes go out as Buffers: protobufjs
 * would read a string as base64.
 */
import type { ClientError, RoutedDecision } from '../domain.ts';
import { endpointOf } from '../domain.ts';
import { answerTo } from './client-errors.ts';
import * as name from './headers.ts';
import type {
  WireCommonResponse,
  WireHeaderMutation,
  WireModeOverride,
  WireResponse,
  WireStruct,
} from './wire.ts';

/** Envoy's advice is 64 KiB at most; the endpoint pickers of the Gateway API inference extension use this size. */
export const MAX_STREAMED_BYTES = 62_000;

/** What the routing decision changes about a request, wherever it is carried. */
export interface Mutation {
  readonly response: WireCommonResponse;
  readonly metadata: WireStruct;
}

/** The kinds of message that Envoy sends and that want a reply of the same kind. */
export type Phase =
  | 'request_headers'
  | 'request_body'
  | 'request_trailers'
  | 'response_headers'
  | 'response_body'
  | 'response_trailers';

const NEUTRAL: Readonly<Record<Phase, WireResponse>> = {
  request_headers: Object.freeze({ request_headers: {} }),
  request_body: Object.freeze({ request_body: {} }),
  request_trailers: Object.freeze({ request_trailers: {} }),
  response_headers: Object.freeze({ response_headers: {} }),
  response_body: Object.freeze({ response_body: {} }),
  response_trailers: Object.freeze({ response_trailers: {} }),
};

/** "Go on, nothing to change." */
export function neutral(phase: Phase): WireResponse {
  return NEUTRAL[phase];
}

/** Header mutation, route refresh and metadata in one message: Envoy ignores `clear_route_cache` without a mutation. */
export function mutationOf(decision: RoutedDecision, requestId: string): Mutation {
  const endpoint = endpointOf(decision.pod);
  const retries = decision.retries.map(endpointOf);
  return {
    response: {
      status: 'CONTINUE',
      header_mutation: setHeaders({
        [name.TARGET_POD]: endpoint,
        [name.DESTINATION_ENDPOINT]: endpoint,
        [name.ROUTING_STRATEGY]: decision.strategy,
        [name.X_REQUEST_ID]: requestId,
      }),
      clear_route_cache: true,
    },
    metadata: {
      fields: {
        'envoy.lb': struct({ [name.DESTINATION_ENDPOINT]: { stringValue: endpoint } }),
        warmroute: struct({
          // What our Envoy configurations go by: all in order, or, for clusters that take one address each, one by one.
          endpoints: { stringValue: [endpoint, ...retries].join(',') },
          retry_1: { stringValue: retries[0]! },
          retry_2: { stringValue: retries[1]! },
          decision: { stringValue: decision.reason },
          pod: { stringValue: decision.pod.name },
          matched_blocks: { numberValue: decision.matchedBlocks },
          total_blocks: { numberValue: decision.totalBlocks },
        }),
      },
    },
  };
}

const NOTHING_FORGED: WireResponse = Object.freeze({
  request_headers: { response: { header_mutation: { remove_headers: name.FORGEABLE } } },
});

export function requestHeaders(mutation: Mutation | undefined, override?: WireModeOverride): WireResponse {
  if (mutation === undefined && override === undefined) return NOTHING_FORGED;
  const header_mutation: WireHeaderMutation = {
    ...mutation?.response.header_mutation,
    remove_headers: name.FORGEABLE,
  };
  return {
    request_headers: { response: { ...mutation?.response, header_mutation } },
    ...(mutation && { dynamic_metadata: mutation.metadata }),
    ...(override && { mode_override: override }),
  };
}

export function requestBody(mutation: Mutation): WireResponse {
  return { request_body: { response: mutation.response }, dynamic_metadata: mutation.metadata };
}

/** The body handed back in FULL_DUPLEX_STREAMED mode, where Envoy keeps no copy. */
export function streamedBody(
  phase: 'request_body' | 'response_body',
  body: Buffer,
  end: 'end_of_stream' | 'more_follows',
): WireResponse[] {
  const replies: WireResponse[] = [];
  let offset = 0;
  do {
    const chunk = body.subarray(offset, offset + MAX_STREAMED_BYTES);
    offset += chunk.length;
    const end_of_stream = end === 'end_of_stream' && offset === body.length;
    replies.push({
      [phase]: { response: { body_mutation: { streamed_response: { body: chunk, end_of_stream } } } },
    });
  } while (offset < body.length);
  return replies;
}

export function responseHeaders(headers: Readonly<Record<string, string>>): WireResponse {
  return { response_headers: { response: { header_mutation: setHeaders(headers) } } };
}

export function immediate(error: ClientError): WireResponse {
  const { status, headers, body, details } = answerTo(error);
  return {
    immediate_response: {
      status: { code: status },
      headers: setHeaders(headers),
      body: Buffer.from(body),
      details,
    },
  };
}

function setHeaders(headers: Readonly<Record<string, string>>): WireHeaderMutation {
  return {
    set_headers: Object.entries(headers).map(([key, value]) => ({
      header: { key, raw_value: Buffer.from(name.headerValue(value)) },
      append: { value: false },
      append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
    })),
  };
}

function struct(fields: WireStruct['fields']): { structValue: WireStruct } {
  return { structValue: { fields } };
}
