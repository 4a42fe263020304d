/** What the API server says when it refuses: a `Status` object with an HTTP status, or as the event of a watch. */
import { printable } from '../printable.ts';
import { KubernetesError, type KubernetesErrorKind } from './kubernetes-error.ts';

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ ; all of it untrusted. */
interface Status {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly details?: { readonly causes?: unknown; readonly retryAfterSeconds?: unknown } | null;
}

const KINDS: Readonly<Record<number, KubernetesErrorKind>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  410: 'expired',
  429: 'throttled',
};

const ADVICE: Readonly<Partial<Record<KubernetesErrorKind, string>>> = {
  unauthorized:
    'the API server does not accept the credentials; is the token of this cluster, and not expired?',
  forbidden: 'RBAC does not allow it; grant get, list and watch on the resource by a Role or ClusterRole',
  not_found: 'there is no such resource; is its CustomResourceDefinition installed, in this version?',
};

const MAX_MESSAGE_CHARACTERS = 300;
const MAX_RETRY_AFTER_MS = 60_000;

/** @param httpStatus of the answer @param retryAfter the header, seconds */
export function errorOfAnswer(
  httpStatus: number,
  body: unknown,
  path: string,
  retryAfter: string | undefined,
): KubernetesError {
  return errorOf(httpStatus, (body ?? {}) as Status, path, Number(retryAfter));
}

/** @param status the object of an ERROR event */
export function errorOfEvent(status: unknown, path: string): KubernetesError {
  const given = (status ?? {}) as Status;
  return errorOf(Number(given.code), given, path, Number(given.details?.retryAfterSeconds));
}

function errorOf(code: number, status: Status, path: string, retryAfterSeconds: number): KubernetesError {
  const kind = isTooLargeVersion(status)
    ? 'expired'
    : (KINDS[code] ?? (code >= 500 ? 'server_error' : 'refused'));
  const advice = ADVICE[kind];
  const said =
    typeof status.message === 'string' ? `: ${printable(status.message, MAX_MESSAGE_CHARACTERS)}` : '';
  const retryAfterMs = retryAfterSeconds > 0 ? Math.min(1_000 * retryAfterSeconds, MAX_RETRY_AFTER_MS) : 0;
  return new KubernetesError(kind, `${path} answered ${code}${said}${advice ? ` (${advice})` : ''}`, {
    retryAfterMs,
  });
}

/** After etcd was restored from a backup the API server knows less than we do, and says so with a 504. */
function isTooLargeVersion({ details }: Status): boolean {
  const causes = details?.causes;
  return Array.isArray(causes) && causes.some(cause => cause?.reason === 'ResourceVersionTooLarge');
}
