import type { ClientError } from '../../domain.ts';

/** With which HTTP status a request is rejected (`extproc/client-errors.ts`). */
export const STATUS_OF: Readonly<Record<ClientError['kind'], number>> = {
  malformed_body: 400,
  bad_strategy: 400,
  bad_filter: 400,
  path_refused: 403,
  unknown_model: 404,
  body_too_large: 413,
  no_ready_pod: 503,
  no_allowed_pod: 503,
};
