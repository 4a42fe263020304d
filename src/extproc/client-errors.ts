import type { ClientError } from '../domain.ts';

/** An HTTP answer made by the router itself. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Shows up as Envoy's `%RESPONSE_CODE_DETAILS%`. */
  readonly details: string;
}

interface Described {
  readonly status: number;
  readonly message: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

const RETRY_AFTER_SECONDS = 10;
const MAX_QUOTED = 256;

/** The OpenAI error shape, with AIBrix's status and header for each condition (its gateway plugin, `gateway_req_body.go`). */
export function answerTo(error: ClientError): ErrorAnswer {
  const { status, message, code, param, headers } = describe(error);
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ error: { message, type: typeOf(status), code, param } }),
    details: `warmroute_${error.kind}`,
  };
}

function describe(error: ClientError): Described {
  switch (error.kind) {
    case 'malformed_body':
      return {
        status: 400,
        message: error.message,
        code: null,
        param: error.param,
        headers: { 'x-error-request-body-processing': 'true' },
      };
    case 'unknown_model':
      return {
        status: 400,
        message: `model ${shortened(error.model)} does not exist`,
        code: 'model_not_found',
        param: 'model',
        headers: { 'x-error-no-model-backends': error.model },
      };
    case 'bad_strategy':
      return {
        status: 400,
        message: `incorrect routing strategy ${shortened(error.strategy)}`,
        code: null,
        param: null,
        headers: { 'x-error-routing': 'true' },
      };
    case 'no_ready_pod':
      return {
        status: 503,
        message: `error on getting pods for model ${shortened(error.model)}`,
        code: 'service_unavailable',
        param: null,
        headers: { 'x-error-no-model-backends': 'true', 'retry-after': String(RETRY_AFTER_SECONDS) },
      };
    case 'no_allowed_pod':
      return {
        status: 503,
        message: `no pod for model ${shortened(error.model)} matches the filter of the request or of its gateway`,
        code: 'service_unavailable',
        param: null,
        headers: { 'x-error-routing': 'true', 'retry-after': String(RETRY_AFTER_SECONDS) },
      };
    case 'bad_filter':
      return {
        status: 400,
        message: `the header external-filter is not a label selector: ${shortened(error.reason)}`,
        code: null,
        param: null,
        headers: { 'x-error-routing': 'true' },
      };
    case 'body_too_large':
      return {
        status: 413,
        message: `the request body is larger than ${error.limitBytes} bytes`,
        code: null,
        param: null,
        headers: { 'x-error-request-body-processing': 'true' },
      };
  }
}

/** A client's own words are given back, but not megabytes of them. */
function shortened(text: string): string {
  return text.length <= MAX_QUOTED ? text : `${text.slice(0, MAX_QUOTED)}…`;
}

function typeOf(status: number): string {
  return status === 503 ? 'overloaded_error' : 'invalid_request_error';
}
