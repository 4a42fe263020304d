import { readFileSync } from 'node:fs';

/** Where the system does not say: the usual limit of a service under systemd or Docker is far above it. */
const ASSUMED_OPEN_FILES = 1_024;
/** For requests, engines' HTTP, replays and files. */
const KEPT_SHARE = 0.25;
const KEPT_AT_LEAST = 128;

/** How many connections to publishers the limit of open files has room for (`ulimit -n`). Each takes one file. */
export function connectionLimit(limits = readLimits()): number {
  const files = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  if (files === 'unlimited') return Number.POSITIVE_INFINITY;
  const openFiles = files === undefined ? ASSUMED_OPEN_FILES : Number(files);
  return Math.max(1, openFiles - Math.max(KEPT_AT_LEAST, Math.ceil(KEPT_SHARE * openFiles)));
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
