import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

const PAGE_BYTES = 4_096;
const SETTLE_MS = 50;

/** Resident memory of this process after all garbage is collected, where node was started with --expose-gc. */
export function residentBytes(): number {
  const { gc } = globalThis as { readonly gc?: () => void };
  gc?.();
  gc?.();
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * PAGE_BYTES;
}

/**
 * The same when it falls no further: compiling and sweeping go on for some time in the background. What is timed afterwards is
 * slower by a half, for a reason of V8's.
 */
export async function settledBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let now = residentBytes(); now < least; now = residentBytes()) {
    least = now;
    await setTimeout(SETTLE_MS);
  }
  return least;
}
