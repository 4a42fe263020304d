import type { LogFields, Logger } from './log.ts';

/**
 * Warnings that may come with every request: the first of a kind is written at once, further ones at most once in
 * `everyMs`, with the number of those left out. `kind` must come from a small set.
 */
export function createWarnThrottle(
  log: Pick<Logger, 'warn'>,
  { everyMs, now = () => performance.now() }: { readonly everyMs: number; readonly now?: () => number },
): (kind: string, fields: LogFields, message: string) => void {
  const kinds = new Map<string, { writtenAt: number; leftOut: number }>();
  return (kind, fields, message) => {
    const state = kinds.get(kind);
    if (state !== undefined && now() - state.writtenAt < everyMs) {
      state.leftOut++;
      return;
    }
    log.warn({ ...fields, ...(state && state.leftOut > 0 && { leftOut: state.leftOut }) }, message);
    kinds.set(kind, { writtenAt: now(), leftOut: 0 });
  };
}
