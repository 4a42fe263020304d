/**
 * Builds every ProcessingResponse there is; those that are always the same are frozen. Bytes go out as Buffers: protobufjs
 * would read a string as base64.
 */
import type { ClientError, PassedDecision, RoutedDecision } from '../domain.ts';
import { ANY_MODEL, endpointOf } from '../domain.ts';
import { answerTo, type ErrorAudience, type OwnAnswer } from './client-errors.ts';
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

const NO_BYTES = Buffer.alloc(0);

/** What a decision changes about a request, wherever it is carried. */
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

/** "Go on, nothing to change." @param override what Envoy is to show from now on */
export function neutral(phase: Phase, override?: WireModeOverride): WireResponse {
  return override === undefined ? NEUTRAL[phase] : { ...NEUTRAL[phase], mode_override: override };
}

/** What of a decision others than the pod that it names may see. */
export interface Disclosure {
  /** Whether the router's word about pods and their caches may be seen: in headers that are asked for, and in metadata. */
  readonly debugHeaders: 'allowed' | 'off';
  /**
   * By which headers of the response a client learns the pod. `warmroute`: Envoy's `x-target-pod`, which it sets when the metadata
   * says so, since only Envoy knows who served in the end. `aibrix`: `target-pod` and `target-pod-ip`, the pick.
   */
  readonly targetHeaders: 'off' | 'warmroute' | 'aibrix';
}

export interface MutationOptions {
  readonly requestId: string;
  readonly disclosure: Disclosure;
  /** How many pods the endpoint picker's header and metadata name at most: the pick, then those that may be tried in its place. */
  readonly destinationEndpoints: number;
}

/** In the namespace `warmroute`: what the route configuration of Envoy sets `x-target-pod` by. */
const SHOW_TARGET: NonNullable<WireStruct['fields']> = { target_headers: { stringValue: 'warmroute' } };

/**
 * Header mutation, route refresh and metadata in one message: Envoy ignores `clear_route_cache` without a mutation. The reason is
 * always there: it is for the operator's access log, and says nothing of who asked what.
 */
export function mutationOf(
  decision: RoutedDecision,
  { requestId, disclosure, destinationEndpoints }: MutationOptions,
): Mutation {
  const endpoint = endpointOf(decision.pod);
  const destination = destinationOf(decision, destinationEndpoints);
  const retry_1 = endpointOf(decision.retries[0]!);
  const retry_2 = endpointOf(decision.retries[1]!);
  const set_headers = [
    setHeader(name.TARGET_POD, endpoint),
    setHeader(name.DESTINATION_ENDPOINT, destination),
    setHeader(name.ROUTING_STRATEGY, decision.strategy.text),
    setHeader(name.X_REQUEST_ID, name.headerValue(requestId)),
  ];
  if (decision.rank !== undefined)
    set_headers.push(setHeader(name.DATA_PARALLEL_RANK, String(decision.rank)));
  return {
    response: {
      status: 'CONTINUE',
      header_mutation: { set_headers },
      clear_route_cache: true,
    },
    metadata: {
      fields: {
        'envoy.lb': struct({ [name.DESTINATION_ENDPOINT]: { stringValue: destination } }),
        warmroute: struct({
          // What our Envoy configurations go by: all in order, or, for clusters that take one address each, one by one.
          endpoints: { stringValue: `${endpoint},${retry_1},${retry_2}` },
          retry_1: { stringValue: retry_1 },
          retry_2: { stringValue: retry_2 },
          decision: { stringValue: decision.reason },
          ...(disclosure.targetHeaders === 'warmroute' && SHOW_TARGET),
          ...(disclosure.debugHeaders === 'allowed' && {
            pod: { stringValue: decision.pod.name },
            matched_blocks: { numberValue: decision.matchedBlocks },
            total_blocks: { numberValue: decision.totalBlocks },
          }),
        }),
      },
    },
  };
}

/** Each pod once: whoever walks the list would otherwise come back to one that has failed. */
function destinationOf({ pod, retries }: RoutedDecision, most: number): string {
  if (most === 1) return endpointOf(pod);
  const pods = [...new Set([pod, ...retries])];
  return pods.slice(0, most).map(endpointOf).join(',');
}

/** For routes that choose by the model, as AIBrix's do. */
export function passMutation({ model }: PassedDecision): Mutation {
  return {
    response: {
      status: 'CONTINUE',
      header_mutation: { set_headers: [setHeader(name.MODEL, name.headerValue(model))] },
      clear_route_cache: true,
    },
    metadata: { fields: { warmroute: struct({ decision: { stringValue: 'passed' } }) } },
  };
}

/** Of a request that Envoy balances: by its own routes, which may choose by the model as well. */
export function leaveMutation(model: string, { targetHeaders }: Pick<Disclosure, 'targetHeaders'>): Mutation {
  const set_headers = model === ANY_MODEL ? [] : [setHeader(name.MODEL, name.headerValue(model))];
  return {
    response: { status: 'CONTINUE', header_mutation: { set_headers }, clear_route_cache: true },
    metadata: {
      fields: {
        warmroute: struct({
          decision: { stringValue: 'left' },
          ...(targetHeaders === 'warmroute' && SHOW_TARGET),
        }),
      },
    },
  };
}

export interface RequestHeadersOptions {
  readonly mutation?: Mutation | undefined;
  readonly override?: WireModeOverride | undefined;
  /** Headers that have to go: `FORGEABLE` at least. Where others go, too, the route is chosen again. */
  readonly forged: readonly string[];
  readonly targetHeaders: Disclosure['targetHeaders'];
}

/** The reply to most requests' headers. Requests that are not routed get no other, so whether the pod may be shown is in it, too. */
const NOTHING_FORGED: Readonly<Record<Disclosure['targetHeaders'], WireResponse>> = {
  off: Object.freeze(headersReply({ forged: name.FORGEABLE, targetHeaders: 'off' })),
  warmroute: Object.freeze(headersReply({ forged: name.FORGEABLE, targetHeaders: 'warmroute' })),
  aibrix: Object.freeze(headersReply({ forged: name.FORGEABLE, targetHeaders: 'aibrix' })),
};

export function requestHeaders(options: RequestHeadersOptions): WireResponse {
  const { mutation, override, forged, targetHeaders } = options;
  const isUsual = mutation === undefined && override === undefined && forged === name.FORGEABLE;
  return isUsual ? NOTHING_FORGED[targetHeaders] : headersReply(options);
}

function headersReply({ mutation, override, forged, targetHeaders }: RequestHeadersOptions): WireResponse {
  const header_mutation: WireHeaderMutation = {
    ...mutation?.response.header_mutation,
    remove_headers: forged,
  };
  const shown = targetHeaders === 'warmroute' ? { fields: { warmroute: struct(SHOW_TARGET) } } : undefined;
  const dynamic_metadata = mutation?.metadata ?? shown;
  return {
    request_headers: {
      response: {
        ...mutation?.response,
        header_mutation,
        ...(forged !== name.FORGEABLE && { clear_route_cache: true }),
      },
    },
    ...(dynamic_metadata && { dynamic_metadata }),
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
  return streamedPieces(phase, [body], end);
}

/** The same for a body in pieces. Nothing is copied. */
export function streamedPieces(
  phase: 'request_body' | 'response_body',
  pieces: readonly Buffer[],
  end: 'end_of_stream' | 'more_follows',
): WireResponse[] {
  const chunks = pieces.flatMap(cut);
  if (chunks.length === 0) chunks.push(NO_BYTES);
  return chunks.map((body, i) => {
    const end_of_stream = end === 'end_of_stream' && i === chunks.length - 1;
    return { [phase]: { response: { body_mutation: { streamed_response: { body, end_of_stream } } } } };
  });
}

function cut(body: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(body.length / MAX_STREAMED_BYTES) }, (_, i) =>
    body.subarray(i * MAX_STREAMED_BYTES, (i + 1) * MAX_STREAMED_BYTES),
  );
}

export function responseHeaders(
  headers: Readonly<Record<string, string>>,
  override?: WireModeOverride,
): WireResponse {
  return {
    response_headers: { response: { header_mutation: setHeaders(headers) } },
    ...(override && { mode_override: override }),
  };
}

export function immediate(error: ClientError, audience: ErrorAudience): WireResponse {
  return ownAnswer(answerTo(error, audience));
}

/** Answers in the place of any pod. */
export function ownAnswer({ status, headers, body, details }: OwnAnswer): WireResponse {
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
    set_headers: Object.entries(headers).map(([key, value]) => setHeader(key, name.headerValue(value))),
  };
}

/** @param value as `headerValue` makes them, or longer and ours */
function setHeader(key: string, value: string) {
  return {
    header: { key, raw_value: Buffer.from(value) },
    append: DO_NOT_APPEND,
    append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
  } as const;
}

/** For Envoys that do not know `append_action`. */
const DO_NOT_APPEND = Object.freeze({ value: false });

function struct(fields: NonNullable<WireStruct['fields']>): { structValue: WireStruct } {
  return { structValue: { fields } };
}
