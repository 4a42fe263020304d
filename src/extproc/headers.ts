/** Every header name that we read or set, and what may be in a value. */
import type { WireHttpHeaders } from './wire.ts';

/** Request: `ip:port` of the pick. Response: the pod's name. AIBrix's contract. */
export const TARGET_POD = 'target-pod';
/** Response: `ip:port`. */
export const TARGET_POD_IP = 'target-pod-ip';
/** Response: `ip:port` of the pod that served, which our Envoys set themselves. */
export const X_TARGET_POD = 'x-target-pod';
/** The Gateway API inference extension's name for the pick, also a key of the `envoy.lb` metadata. */
export const DESTINATION_ENDPOINT = 'x-gateway-destination-endpoint';
/** Request: which of the data-parallel ranks behind one address is to take it. vLLM and SGLang honour it. */
export const DATA_PARALLEL_RANK = 'x-data-parallel-rank';
/**
 * Request: the strategy that the client asks for; then the one that a pod was picked by. Response: the latter. AIBrix's contract, whose
 * routes send what has it to `target-pod`: it is on its way to a pod only together with that.
 */
export const ROUTING_STRATEGY = 'routing-strategy';
/** Where the session's requests go, base64 of `ip:port`. Request: what an earlier response said. AIBrix's contract, as the next. */
export const SESSION_ID = 'x-session-id';
/** Request: what the client calls its session. */
export const SESSION_KEY = 'x-aibrix-session-key';
/** Request: the model, by which AIBrix's routes choose a service where no pod is picked. */
export const MODEL = 'model';
/** Request: a label selector that the pod must match. AIBrix's contract. */
export const EXTERNAL_FILTER = 'external-filter';
/** `ip:port` of the pod that answered, which may be one of the retries: an attribute of the response (`response_attributes`). */
export const UPSTREAM_ADDRESS = 'upstream.address';
/** The inference extension's name for the same, a key of the `envoy.lb` metadata of a response. */
export const DESTINATION_SERVED = 'x-gateway-destination-endpoint-served';
/** Its name for the pods that a request may go to: a namespace of metadata, and the key in it. */
export const SUBSET_NAMESPACE = 'envoy.lb.subset_hint';
export const SUBSET = 'x-gateway-destination-endpoint-subset';
/** Request: the client is one of Anthropic's, which ask for models under the same path as OpenAI's. */
export const ANTHROPIC_VERSION = 'anthropic-version';
export const REQUEST_ID = 'request-id';
export const X_REQUEST_ID = 'x-request-id';
export const DEBUG = 'x-warmroute-debug';
export const POD = 'x-warmroute-pod';
export const MATCHED_BLOCKS = 'x-warmroute-matched-blocks';
export const TOTAL_BLOCKS = 'x-warmroute-total-blocks';
export const REASON = 'x-warmroute-reason';

/**
 * Never believed when a client sends them, on no path: whoever sets these picks the upstream (the rank behind one API server, or the
 * pod that a sidecar dials, among them), or fakes our word.
 */
export const FORGEABLE: readonly string[] = [
  TARGET_POD,
  TARGET_POD_IP,
  DESTINATION_ENDPOINT,
  'x-gateway-destination-endpoint-subset',
  'x-gateway-destination-endpoint-served',
  DATA_PARALLEL_RANK,
  'x-data-parallel-host-port',
  'x-prefiller-host-port',
  'x-encoder-hosts-ports',
  DEBUG,
  POD,
  MATCHED_BLOCKS,
  TOTAL_BLOCKS,
  REASON,
];

/**
 * Envoy's own, which an ORIGINAL_DST cluster dials unless it is configured with another name. Envoy lets an external processor change `x-envoy-*`
 * only where `mutation_rules` allow it, counts what it refuses, and may answer 500: it is removed where a client has sent it.
 */
export const ORIGINAL_DST_HOST = 'x-envoy-original-dst-host';

/**
 * What has to go from a request with these headers. `routing-strategy` is read and taken away: what goes on without a pick would else be
 * caught by a route that needs one. A pick writes it again.
 */
export function removedFrom(headers: Headers): readonly string[] {
  const others = [ORIGINAL_DST_HOST, ROUTING_STRATEGY].filter(each => headers.has(each));
  return others.length === 0 ? FORGEABLE : [...FORGEABLE, ...others];
}

/** Lower-case name → first value. */
export type Headers = ReadonlyMap<string, string>;

export function readHeaders(message: WireHttpHeaders): Headers {
  const headers = new Map<string, string>();
  for (const { key, raw_value, value } of message.headers?.headers ?? []) {
    const name = key?.toLowerCase() ?? '';
    if (!headers.has(name)) headers.set(name, raw_value?.length ? raw_value.toString('utf8') : (value ?? ''));
  }
  return headers;
}

/** One header's first value, without reading the others. */
export function headerOf(message: WireHttpHeaders, name: string): string | undefined {
  for (const { key, raw_value, value } of message.headers?.headers ?? []) {
    if (key === name) return raw_value?.length ? raw_value.toString('utf8') : value;
  }
  return undefined;
}

const MAX_VALUE_LENGTH = 256;

/**
 * A text as a header value: visible ASCII only and bounded, since one invalid value makes Envoy answer 500, also when
 * it fails open.
 */
export function headerValue(text: string): string {
  if (text.length <= MAX_VALUE_LENGTH && /^[\x21-\x7e]*$/.test(text)) return text;
  return text
    .replace(/[^\x20-\x7e]/g, '?')
    .trim()
    .slice(0, MAX_VALUE_LENGTH)
    .trimEnd();
}
