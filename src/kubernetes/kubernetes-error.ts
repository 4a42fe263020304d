export type KubernetesErrorKind =
  /** Neither a ServiceAccount nor a kubeconfig, or one that cannot be used. */
  | 'no_credentials'
  /** 401, also with credentials that were read again. */
  | 'unauthorized'
  /** 403: RBAC does not allow it. */
  | 'forbidden'
  /** 404: no such resource; a custom one whose definition is not installed. */
  | 'not_found'
  /** 410, or a resourceVersion that the API server cannot continue from: list again. */
  | 'expired'
  /** 429. */
  | 'throttled'
  /** 5xx. */
  | 'server_error'
  /** Another status that is no success. */
  | 'refused'
  /** No connection, or it broke. */
  | 'unavailable'
  /** An answer that did not come in time. */
  | 'timeout'
  /** An answer that is no JSON, or not of the expected shape. */
  | 'malformed'
  /** An answer that is longer than what is read. */
  | 'too_long'
  /** The caller's signal. */
  | 'aborted';

/** The only error of this part. The message tells the operator what to do and holds no credentials. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError';
  readonly kind: KubernetesErrorKind;
  /** What the API server asked to wait at least, milliseconds (`Retry-After`). */
  readonly retryAfterMs: number;

  constructor(
    kind: KubernetesErrorKind,
    message: string,
    options: { readonly cause?: unknown; readonly retryAfterMs?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}
