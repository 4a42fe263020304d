import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { deadlineAfter, realSleep } from '../time.ts';

/** What a read gave. `code` is the system's error code, `ENOENT` if the file is not there. */
export type FileContent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'unreadable'; readonly code: string; readonly reason: string };

export interface ReadBounds {
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** 20,000 pods take less than 4 MB. */
export const DEFAULT_READ_BOUNDS: ReadBounds = { maxBytes: 8 << 20, timeoutMs: 5_000 };

/**
 * Reads that were abandoned but have not ended: each has one of libuv's threads, of which there are four by default, and host names
 * are resolved on the same.
 */
const MAX_ABANDONED = 2;
/** Until a pipe is read again that has nothing to give yet. */
const PIPE_PAUSE_MS = 20;
const CHUNK_BYTES = 64 << 10;

const TOO_LATE = new Error('too late');

/** Reads whole files that may be too long, or never answer: a pipe that nobody writes to, a mount that is dead. */
export class BoundedReader {
  readonly #bounds: ReadBounds;
  readonly #open: typeof open;
  #abandoned = 0;

  /** @param openFile stands for the system's, of which no test can make a dead mount */
  constructor(bounds: ReadBounds = DEFAULT_READ_BOUNDS, openFile = open) {
    this.#bounds = bounds;
    this.#open = openFile;
  }

  /** Rejects with the reason of `signal` when that is aborted, and with nothing else. */
  async read(path: string, signal: AbortSignal): Promise<FileContent> {
    signal.throwIfAborted();
    const { timeoutMs } = this.#bounds;
    if (this.#abandoned >= MAX_ABANDONED) {
      const reason = `${MAX_ABANDONED} earlier reads have not ended: see to the mount that it is on`;
      return { kind: 'unreadable', code: 'ETIMEDOUT', reason };
    }
    const deadline = deadlineAfter(timeoutMs, signal, TOO_LATE);
    let isOver = false;
    const reading = this.#readAll(path, deadline.signal).finally(() => {
      isOver = true;
    });
    try {
      return await deadline.race(reading);
    } catch (error) {
      if (!isOver) {
        this.#abandoned++;
        void reading.catch(() => {}).then(() => this.#abandoned--);
      }
      signal.throwIfAborted();
      if (error === TOO_LATE) {
        const reason = `nothing came within ${timeoutMs} ms: is it a pipe that nobody writes to, or on a mount that does not answer?`;
        return { kind: 'unreadable', code: 'ETIMEDOUT', reason };
      }
      const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
      return { kind: 'unreadable', code, reason: message };
    } finally {
      deadline.clear();
    }
  }

  async #readAll(path: string, signal: AbortSignal): Promise<FileContent> {
    // Without O_NONBLOCK a pipe that nobody writes to would keep a thread for ever.
    const file = await this.#open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return await this.#readOpen(file, signal);
    } finally {
      await file.close();
    }
  }

  async #readOpen(file: FileHandle, signal: AbortSignal): Promise<FileContent> {
    const { maxBytes } = this.#bounds;
    const stat = await file.stat();
    const chunks: Buffer[] = [];
    let length = 0;
    while (length <= maxBytes && !(stat.isFile() && stat.size > maxBytes)) {
      signal.throwIfAborted();
      const chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, Math.min(stat.size, maxBytes) + 1 - length));
      const bytes = await readAvailable(file, chunk);
      // A pipe has no end before its first writer.
      if (bytes === 'nothing_yet' || (bytes === 0 && stat.isFIFO() && length === 0)) {
        await realSleep(PIPE_PAUSE_MS, signal);
        continue;
      }
      if (bytes === 0) return { kind: 'text', text: Buffer.concat(chunks, length).toString('utf8') };
      chunks.push(chunk.subarray(0, bytes));
      length += bytes;
    }
    return { kind: 'unreadable', code: 'EFBIG', reason: `it is longer than ${maxBytes} bytes` };
  }
}

async function readAvailable(file: FileHandle, chunk: Buffer): Promise<number | 'nothing_yet'> {
  try {
    return (await file.read(chunk, 0, chunk.length, null)).bytesRead;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 'nothing_yet';
    throw error;
  }
}
