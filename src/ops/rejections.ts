/** Requests that are answered with an error, or would be if they were not left to Envoy. */
import type { ClientError } from '../domain.ts';
import type { Steering } from '../routing/route.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';
import type { LogThrottle } from './log/log-throttle.ts';

export interface RejectionParts {
  readonly instruments: Instruments;
  readonly log: Logger;
  readonly throttle: LogThrottle;
}

/** @param about for the log */
export function reportRejection(
  { instruments, log, throttle }: RejectionParts,
  kind: ClientError['kind'],
  steering: Steering,
  about: Readonly<Record<string, unknown>>,
): void {
  const isAnswered = steering === 'steered';
  (isAnswered ? instruments.rejections : instruments.leftRejections).add(1, { kind });
  const message = isAnswered ? 'request rejected' : 'request would be rejected, and is left to Envoy';
  const fields = { ...about, error: kind };
  if (throttle.info(kind, fields, message) === 'left_out') log.debug(() => fields, message);
}
