import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { deadlineAfter } from '../time.ts';
import { type ParsedPodsFile, parsePodsFile } from './pods-file.ts';

/**
 * JSON of this length is parsed in some milliseconds, whatever it says; a thread takes 150 ms to start. YAML has forms of a few hundred
 * bytes that take for ever.
 */
const MAX_CHARACTERS_AT_ONCE = 4 << 10;
/** 20,000 pods take two seconds and 500 MB. A file within the bounds of length may be made to take 15 times as much. */
const DEFAULT_BOUNDS: ParseBounds = { timeoutMs: 15_000, maxHeapMb: 768 };

interface ParseBounds {
  readonly timeoutMs: number;
  readonly maxHeapMb: number;
}

/** `.ts` in development, `.js` when built. */
const WORKER = new URL(`./pods-file-worker${extname(import.meta.url)}`, import.meta.url);

const TOO_LATE = new Error('too late');

/**
 * As `parsePodsFile`, on a thread of its own unless that is quick: a thousand pods would stop the event loop for 150 ms. Bounded in
 * time and memory. Rejects with the reason of `signal` when that is aborted, and with nothing else.
 */
export async function parsePodsFileAside(
  text: string,
  signal: AbortSignal,
  bounds: ParseBounds = DEFAULT_BOUNDS,
): Promise<ParsedPodsFile> {
  signal.throwIfAborted();
  if (text.length <= MAX_CHARACTERS_AT_ONCE && isJson(text)) return parsePodsFile(text);
  const deadline = deadlineAfter(bounds.timeoutMs, signal, TOO_LATE);
  let worker: Worker | undefined;
  try {
    worker = new Worker(WORKER, {
      workerData: text,
      resourceLimits: { maxOldGenerationSizeMb: bounds.maxHeapMb },
    });
    return await deadline.race(answerOf(worker));
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'invalid', problems: [{ place: 'file', reason: whyNot(error, bounds) }] };
  } finally {
    deadline.clear();
    await worker?.terminate();
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

function answerOf(worker: Worker): Promise<ParsedPodsFile> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('it ended without an answer')));
  });
}

function whyNot(error: unknown, { timeoutMs, maxHeapMb }: ParseBounds): string {
  if (error === TOO_LATE) return `takes more than ${timeoutMs / 1_000} s to parse; make it simpler`;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return `takes more than ${maxHeapMb} MB to parse; make it simpler`;
  return `cannot be parsed: ${message}`;
}
