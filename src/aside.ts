/** Work that may take for ever, on a thread that can be ended. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { deadlineAfter } from './time.ts';

export interface AsideBounds {
  readonly timeoutMs: number;
  readonly maxHeapMb: number;
}

/** The work was not done. Its message goes on after what the work was on: `takes more than 15 s`. */
export class AsideError extends Error {
  override readonly name = 'AsideError';
}

const TOO_LATE = new Error('too late');

/** The URL of a worker's file beside the caller's: `.ts` in development, `.js` when built. */
export function workerBeside(caller: string, name: string): URL {
  return new URL(`./${name}${extname(caller)}`, caller);
}

/**
 * The first message that the worker posts. Rejects with AsideError, or with the reason of `signal` when that is aborted.
 * @param data the worker's `workerData`
 */
export async function workAside<T>(
  worker: URL,
  data: unknown,
  signal: AbortSignal,
  bounds: AsideBounds,
): Promise<T> {
  signal.throwIfAborted();
  const deadline = deadlineAfter(bounds.timeoutMs, signal, TOO_LATE);
  let thread: Worker | undefined;
  try {
    thread = new Worker(worker, {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: bounds.maxHeapMb },
    });
    return await deadline.race(answerOf<T>(thread));
  } catch (error) {
    signal.throwIfAborted();
    throw new AsideError(whyNot(error, bounds), { cause: error });
  } finally {
    deadline.clear();
    await thread?.terminate();
  }
}

function answerOf<T>(thread: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('it ended without an answer')));
  });
}

function whyNot(error: unknown, { timeoutMs, maxHeapMb }: AsideBounds): string {
  if (error === TOO_LATE) return `takes more than ${timeoutMs / 1_000} s to parse; make it simpler`;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return `takes more than ${maxHeapMb} MB to parse; make it simpler`;
  return `cannot be parsed: ${message}`;
}
