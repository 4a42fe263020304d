import { readFileSync } from 'node:fs';

const PAGE_BYTES = 4_096;

/** Resident memory of this process after all garbage is collected, where node was started with --expose-gc. */
export function residentBytes(): number {
  const { gc } = globalThis as { readonly gc?: () => void };
  gc?.();
  gc?.();
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * PAGE_BYTES;
}
