import { type AsideBounds, AsideError, workAside, workerBeside } from '../aside.ts';
import { type ParsedPodsFile, parsePodsFile } from './pods-file.ts';

/**
 * JSON of this length is parsed in some milliseconds, whatever it says; a thread takes 150 ms to start. YAML has forms of a few hundred
 * bytes that take for ever.
 */
const MAX_CHARACTERS_AT_ONCE = 4 << 10;
/** 20,000 pods take two seconds and 500 MB. A file within the bounds of length may be made to take 15 times as much. */
const DEFAULT_BOUNDS: AsideBounds = { timeoutMs: 15_000, maxHeapMb: 768 };

const WORKER = workerBeside(import.meta.url, 'pods-file-worker');

/**
 * As `parsePodsFile`, on a thread of its own unless that is quick: a thousand pods would stop the event loop for 150 ms. Bounded in
 * time and memory. Rejects with the reason of `signal` when that is aborted, and with nothing else.
 */
export async function parsePodsFileAside(
  text: string,
  signal: AbortSignal,
  bounds: AsideBounds = DEFAULT_BOUNDS,
): Promise<ParsedPodsFile> {
  signal.throwIfAborted();
  if (text.length <= MAX_CHARACTERS_AT_ONCE && isJson(text)) return parsePodsFile(text);
  try {
    return await workAside<ParsedPodsFile>(WORKER, text, signal, bounds);
  } catch (error) {
    if (!(error instanceof AsideError)) throw error;
    return { kind: 'invalid', problems: [{ place: 'file', reason: error.message }] };
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
