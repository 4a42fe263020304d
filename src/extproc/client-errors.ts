import { ANY_MODEL, type ClientError, type ErrorShape } from '../domain.ts';
import type { WireStatusCode } from './wire.ts';

/** An HTTP answer made by the router itself. */
export interface OwnAnswer {
  readonly status: WireStatusCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Shows up as Envoy's `%RESPONSE_CODE_DETAILS%`. */
  readonly details: string;
}

/** Whom an answer is for. */
export interface ErrorAudience {
  readonly shape: ErrorShape;
  /** The names that could have been asked for. */
  readonly models: readonly string[];
}

interface Described {
  readonly message: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

const RETRY_AFTER_SECONDS = 10;
const MAX_QUOTED = 256;
/** Named in a message. */
const MAX_MODELS = 20;

/** AIBrix's for each condition (its gateway plugin, `gateway_req_body.go`), but 404 for an unknown model as the engines answer. */
export const STATUS_OF: Readonly<Record<ClientError['kind'], WireStatusCode>> = {
  malformed_body: 400,
  bad_strategy: 400,
  bad_filter: 400,
  path_refused: 403,
  unknown_model: 404,
  body_too_large: 413,
  shed: 429,
  no_ready_pod: 503,
  no_allowed_pod: 503,
};

/** With AIBrix's headers, in the shape of the endpoint's API. */
export function answerTo(error: ClientError, { shape, models }: ErrorAudience): OwnAnswer {
  const status = STATUS_OF[error.kind];
  const { message, code, param, headers } = describe(error, models);
  const body =
    shape === 'anthropic'
      ? { type: 'error', error: { type: anthropicTypeOf(status), message } }
      : { error: { message, type: typeOf(status), code, param } };
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    details: `warmroute_${error.kind}`,
  };
}

function describe(error: ClientError, models: readonly string[]): Described {
  switch (error.kind) {
    case 'malformed_body':
      return {
        message: error.message,
        code: null,
        param: error.param,
        headers: { 'x-error-request-body-processing': 'true' },
      };
    case 'unknown_model':
      return {
        // vLLM's words.
        message: `The model \`${shortened(error.model)}\` does not exist.${validAliases(models)}`,
        code: 'model_not_found',
        param: 'model',
        headers: { 'x-error-no-model-backends': error.model },
      };
    case 'bad_strategy':
      return {
        message: `incorrect routing strategy ${shortened(error.strategy)}: ${error.why}`,
        code: null,
        param: null,
        headers: { 'x-error-routing': 'true' },
      };
    case 'no_ready_pod':
      return {
        message:
          error.model === ANY_MODEL
            ? 'no pod is known'
            : `error on getting pods for model ${shortened(error.model)}`,
        code: 'service_unavailable',
        param: null,
        headers: { 'x-error-no-model-backends': 'true', 'retry-after': String(RETRY_AFTER_SECONDS) },
      };
    case 'no_allowed_pod':
      return {
        message: `no pod for model ${shortened(error.model)} matches the filter of the request or of its gateway`,
        code: 'service_unavailable',
        param: null,
        headers: { 'x-error-routing': 'true', 'retry-after': String(RETRY_AFTER_SECONDS) },
      };
    case 'bad_filter':
      return {
        message: `the header external-filter is not a label selector: ${shortened(error.reason)}`,
        code: null,
        param: null,
        headers: { 'x-error-routing': 'true' },
      };
    case 'path_refused':
      return {
        message: `${shortened(error.path)} is not open to clients of this gateway`,
        code: 'path_refused',
        param: null,
        headers: {},
      };
    case 'shed':
      return {
        message:
          `all pods${error.model === ANY_MODEL ? '' : ` for model ${shortened(error.model)}`} are busy, ` +
          'and the priority of the request allows to drop it: try again later',
        code: 'rate_limit_exceeded',
        param: null,
        // llm-d's word for it.
        headers: {
          'x-llm-d-request-dropped-reason': 'rejected-saturated',
          'retry-after': String(RETRY_AFTER_SECONDS),
        },
      };
    case 'body_too_large':
      return {
        message: `the request body is larger than ${error.limitBytes} bytes`,
        code: null,
        param: null,
        headers: { 'x-error-request-body-processing': 'true' },
      };
  }
}

function validAliases(models: readonly string[]): string {
  if (models.length === 0) return '';
  const more = models.length - MAX_MODELS;
  const names = models.slice(0, MAX_MODELS).map(shortened).join(', ');
  return ` Valid aliases: ${names}${more > 0 ? ` and ${more} more` : ''}.`;
}

/** A client's own words are given back, but not megabytes of them. */
function shortened(text: string): string {
  return text.length <= MAX_QUOTED ? text : `${text.slice(0, MAX_QUOTED)}…`;
}

function typeOf(status: number): string {
  switch (status) {
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    default:
      return 'invalid_request_error';
  }
}

/** docs.anthropic.com/en/api/errors. Its SDKs choose their exception by the status, and people by the type. */
function anthropicTypeOf(status: number): string {
  switch (status) {
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    default:
      return 'invalid_request_error';
  }
}
