import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

const PAGE_BYTES = 4_096;
const SETTLE_MS = 50;

/**
 * Resident memory of this process after all garbage is collected, where node was started with --expose-gc. Compiling and sweeping
 * go on for some time in the background: it is looked at until it falls no further.
 */
export async function residentBytes(): Promise<number> {
  const { gc } = globalThis as { readonly gc?: () => void };
  let least = Number.POSITIVE_INFINITY;
  for (;;) {
    gc?.();
    await setTimeout(SETTLE_MS);
    const now = rss();
    if (now >= least) return least;
    least = now;
  }
}

function rss(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * PAGE_BYTES;
}
