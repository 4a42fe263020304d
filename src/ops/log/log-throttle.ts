import { type Clock, monotonicClock } from '../../time.ts';
import type { LogFields, Logger } from './log.ts';

/** Lines that may come with every request or message. `kind` must come from a small set. */
export interface LogThrottle {
  info(kind: string, fields: LogFields, message: string): Throttling;
  warn(kind: string, fields: LogFields, message: string): Throttling;
  error(kind: string, fields: LogFields, message: string): Throttling;
  /** What this kind was about is over: its next line is written at once. */
  over(kind: string): void;
}

/** What has become of a line. */
export type Throttling = 'written' | 'left_out';

type Level = 'info' | 'warn' | 'error';

interface Throttled {
  writtenAt: number;
  leftOut: number;
}

/** Shared by the kinds beyond `maxKinds`. */
const OTHERS = 'others';

/**
 * The first line of a kind is written at once, further ones at most once in `everyMs`, with the number of those left out
 * since.
 */
export function createLogThrottle(
  log: Pick<Logger, Level>,
  {
    everyMs = 10_000,
    maxKinds = 1_000,
    now = monotonicClock,
  }: {
    readonly everyMs?: number;
    /** Further ones are throttled together. */
    readonly maxKinds?: number;
    readonly now?: Clock;
  } = {},
): LogThrottle {
  const kinds = new Map<string, Throttled>();

  function at(level: Level) {
    return (given: string, fields: LogFields, message: string): Throttling => {
      const kind = kinds.has(given) || kinds.size < maxKinds ? given : OTHERS;
      const state = kinds.get(kind);
      if (state !== undefined && now() - state.writtenAt < everyMs) {
        state.leftOut++;
        return 'left_out';
      }
      log[level]({ ...fields, ...(state && state.leftOut > 0 && { leftOut: state.leftOut }) }, message);
      kinds.set(kind, { writtenAt: now(), leftOut: 0 });
      return 'written';
    };
  }

  return { info: at('info'), warn: at('warn'), error: at('error'), over: kind => void kinds.delete(kind) };
}
