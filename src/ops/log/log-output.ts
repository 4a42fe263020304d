import { fstatSync, write, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicClock } from '../../time.ts';

/** Lines beyond this are dropped rather than kept in memory. */
const MAX_QUEUED_BYTES = 4 << 20;
/** Of one write: what a pipe holds by default. */
const MAX_WRITE_BYTES = 64 << 10;
/** Until a full pipe is tried again. */
const PIPE_RETRY_MS = 20;
/** Until a full disk is tried again. */
const DISK_RETRY_MS = 1_000;
/** How long the exit waits for whoever reads a pipe. */
const EXIT_PATIENCE_MS = 300;
/** A write that is under way for longer is stuck: another one would be, too. */
const STUCK_MS = 1_000;

/** Nobody will ever read what is written now. Anything else may pass: a disk is full, or fails for a while. */
const GONE = new Set(['EPIPE', 'ECONNRESET', 'EBADF']);

export interface LogOutputOptions {
  /** Default 1, standard output. */
  readonly fd?: number;
  readonly maxQueuedBytes?: number;
  readonly retryMs?: number;
  /** Lines were dropped, and writing works again. */
  readonly onRecovered?: (dropped: number) => void;
}

/**
 * Lines on their way to a file descriptor that may be full, unread, closed, or on a disk that hangs: what cannot be written waits,
 * up to a bound, and is dropped and counted beyond it. Nothing here blocks the event loop, throws, or keeps the process alive.
 *
 * Pipes and sockets are written without blocking and not on libuv's threads: one that waits for a reader would be lost to everything
 * else, and `process.exit` would wait for it, too. For files there is no such thing as not blocking, so a thread has to.
 */
export class LogOutput {
  readonly #options: Required<LogOutputOptions>;
  readonly #isFile: boolean;
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  #reportedDropped = 0;
  #state: 'idle' | 'scheduled' | 'writing' | 'waiting' | 'gone' = 'idle';
  #writingSinceMs = 0;
  /** Of a write that was under way at the end. */
  #linesWithThread = 0;
  /** Ends the wait for room. */
  #retry: NodeJS.Timeout | undefined;

  constructor({
    fd = 1,
    maxQueuedBytes = MAX_QUEUED_BYTES,
    retryMs = DISK_RETRY_MS,
    onRecovered = () => {},
  }: LogOutputOptions = {}) {
    this.#options = { fd, maxQueuedBytes, retryMs, onRecovered };
    this.#isFile = !isPipeOrSocket(fd);
    // Node makes a pipe or socket non-blocking when it makes a stream of it.
    if (fd === 1 && !this.#isFile) void process.stdout;
    process.on('exit', this.#onExit);
  }

  /** Lines that were not written and will not be. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @param line ends with a newline */
  readonly write = (line: string): void => {
    const bytes = Buffer.from(line);
    if (this.#state === 'gone' || this.#queuedBytes + bytes.length > this.#options.maxQueuedBytes) {
      this.#dropped++;
      return;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#state === 'idle') {
      this.#state = 'scheduled';
      setImmediate(this.#writeSome);
    }
  };

  /** Resolves when all is written, or cannot be, or after `ms`. */
  async flush(ms: number): Promise<void> {
    const until = monotonicClock() + ms;
    while (this.#queuedBytes > 0 && monotonicClock() < until) await delay(5);
  }

  /** Writes what can be written at once, and nothing afterwards. */
  close(): void {
    process.off('exit', this.#onExit);
    this.#onExit();
    this.#becomeGone();
  }

  readonly #writeSome = (): void => {
    if (this.#state === 'gone') return;
    if (this.#queue.length === 0) {
      this.#state = 'idle';
      return;
    }
    this.#state = 'writing';
    if (this.#isFile) {
      this.#writingSinceMs = monotonicClock();
      write(this.#options.fd, this.#nextBytes(), (error, written) => this.#wrote(error, written));
      return;
    }
    try {
      this.#wrote(null, writeSync(this.#options.fd, this.#nextBytes()));
    } catch (error) {
      this.#wrote(error as NodeJS.ErrnoException, 0);
    }
  };

  #wrote(error: NodeJS.ErrnoException | null, written: number): void {
    if (this.#state === 'gone') {
      if (error !== null) this.#dropped += this.#linesWithThread;
      return;
    }
    if (error !== null) {
      if (GONE.has(error.code ?? '')) {
        this.#becomeGone();
        return;
      }
      this.#state = 'waiting';
      const ms = error.code === 'EAGAIN' ? PIPE_RETRY_MS : this.#options.retryMs;
      this.#retry = setTimeout(this.#writeSome, ms);
      this.#retry.unref();
      return;
    }
    this.#take(written);
    this.#state = 'scheduled';
    setImmediate(this.#writeSome);
    // With room in the queue: else the line that says so would be dropped itself.
    if (this.#dropped > this.#reportedDropped && this.#queuedBytes * 2 < this.#options.maxQueuedBytes) {
      const dropped = this.#dropped - this.#reportedDropped;
      this.#reportedDropped = this.#dropped;
      this.#options.onRecovered(dropped);
    }
  }

  /** Of as many whole lines as one write may have, or of one that is longer. */
  #nextBytes(): Buffer {
    let bytes = 0;
    let lines = 0;
    for (const { length } of this.#queue) {
      if (lines > 0 && bytes + length > MAX_WRITE_BYTES) break;
      bytes += length;
      lines++;
    }
    if (lines > 1) this.#queue.splice(0, lines, Buffer.concat(this.#queue.slice(0, lines), bytes));
    return this.#queue[0]!;
  }

  #take(written: number): void {
    const rest = this.#queue[0]!.subarray(written);
    if (rest.length > 0) this.#queue[0] = rest;
    else this.#queue.shift();
    this.#queuedBytes -= written;
  }

  #becomeGone(): void {
    clearTimeout(this.#retry);
    this.#state = 'gone';
    for (const bytes of this.#queue) this.#dropped += linesIn(bytes);
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }

  readonly #onExit = (): void => {
    if (this.#isFile && this.#state === 'writing') {
      // Its bytes go out with the thread that writes them, unless that is stuck.
      if (monotonicClock() - this.#writingSinceMs > STUCK_MS) return;
      this.#linesWithThread = linesIn(this.#queue[0]!);
      this.#take(this.#queue[0]!.length);
    }
    const until = monotonicClock() + EXIT_PATIENCE_MS;
    while (this.#queue.length > 0) {
      try {
        this.#take(writeSync(this.#options.fd, this.#nextBytes()));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || monotonicClock() > until) return;
        Atomics.wait(NOBODY, 0, 0, 5);
      }
    }
  };
}

const NOBODY = new Int32Array(new SharedArrayBuffer(4));

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) lines++;
  return lines;
}

function isPipeOrSocket(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}
