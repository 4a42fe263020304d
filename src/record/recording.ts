import { Backoff, type Clock, realSleep } from '../time.ts';
import { ExchangeQueue } from './exchange-queue.ts';
import { FileSalt } from './file-salt.ts';
import { type LineContext, recordLine } from './record-line.ts';
import type { RecordedExchange } from './recorded-exchange.ts';
import { RotatedFiles, type RotatedFilesOptions } from './rotated-files.ts';

/** What an operator should hear of. */
export type RecordingFact =
  /** Nothing can be written now. It is tried again and again. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** What is to be written comes faster than it is written; from now on some is dropped. */
  | { readonly kind: 'overflowed' }
  /** It is written again. `dropped`: lines, since it could not be. */
  | { readonly kind: 'recovered'; readonly dropped: number };

export interface RecordingOptions extends RotatedFilesOptions {
  /** Tokens of each of `hash_ids`. */
  readonly blockTokens: number;
  /** Monotonic; the one of the exchanges. */
  readonly now: Clock;
  readonly wallClock: Clock;
  readonly onFact: (fact: RecordingFact) => void;
  readonly pace?: Pace;
}

/** Milliseconds, and bytes of memory. */
export interface Pace {
  /** Lines are gathered for so long. */
  readonly tickMs: number;
  /** How long an answer is waited for; then its line is written without what has not come. */
  readonly patienceMs: number;
  readonly retryMs: number;
  /** Of exchanges that wait for their end, or for the disk. */
  readonly maxBytes: number;
}

const PACE: Pace = { tickMs: 200, patienceMs: 60_000, retryMs: 500, maxBytes: 16 << 20 };
const MAX_RETRY_MS = 30_000;
/** Of one write. Making these lines keeps the event loop for less than a millisecond. */
const CHUNK_BYTES = 64 << 10;

interface Chunk {
  readonly bytes: Buffer;
  readonly lines: number;
}

/**
 * Exchanges on their way to the files of a recording. Nothing here waits for a disk, throws, or keeps the process alive: what is too much is
 * dropped and counted.
 */
export class Recording {
  readonly #options: RecordingOptions;
  readonly #pace: Pace;
  readonly #files: RotatedFiles;
  readonly #queue: ExchangeQueue;
  readonly #backoff: Backoff;
  /** Of the current file. */
  #context: LineContext | undefined;
  /** Made for the current file, and not yet written. */
  #chunk: Chunk | undefined;
  #written = 0;
  #dropped = 0;
  /** Of `#dropped`, those that a fact has told. */
  #toldDropped = 0;
  #state: 'well' | 'overflowed' | 'failed' | 'stopped' = 'well';
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: RecordingOptions) {
    this.#options = options;
    this.#pace = options.pace ?? PACE;
    const { patienceMs, maxBytes, retryMs } = this.#pace;
    this.#files = new RotatedFiles(options);
    this.#queue = new ExchangeQueue({ patienceMs, fullBytes: maxBytes / 2, maxBytes });
    this.#backoff = new Backoff({ firstMs: retryMs, maxMs: MAX_RETRY_MS });
  }

  /** Lines, since the start. */
  get written(): number {
    return this.#written;
  }

  /** Lines that were not written and will not be. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes an exchange that was just decided. */
  add(exchange: RecordedExchange): void {
    if (this.#state !== 'stopped' && this.#queue.add(exchange)) {
      this.#schedule(this.#pace.tickMs);
      return;
    }
    this.#dropped++;
    if (this.#state === 'well') this.#become('overflowed', { kind: 'overflowed' });
  }

  /** Writes what there is, and nothing afterwards; in `ms` at the most. */
  async stop(ms: number): Promise<void> {
    this.#state = 'stopped';
    clearTimeout(this.#timer);
    const timeUp = new AbortController();
    await Promise.race([this.#end(), realSleep(ms, timeUp.signal).catch(() => {})]);
    timeUp.abort();
    this.#dropped += this.#queue.size + (this.#chunk?.lines ?? 0);
  }

  async #end(): Promise<void> {
    await this.#running;
    try {
      await this.#write(Number.POSITIVE_INFINITY);
      await this.#files.close();
    } catch {
      // It is counted, and nobody is left who could do anything about it.
    }
  }

  #schedule(ms: number): void {
    if (this.#timer !== undefined || this.#running !== undefined || this.#state === 'stopped') return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#run();
    }, ms).unref();
  }

  async #run(): Promise<void> {
    let againMs = this.#pace.tickMs;
    try {
      await this.#write(this.#options.now());
      this.#recovered();
    } catch (error) {
      againMs = this.#backoff.next();
      if (this.#state !== 'failed') this.#become('failed', { kind: 'failed', error });
    }
    this.#running = undefined;
    if (this.#queue.size > 0 || this.#chunk !== undefined) this.#schedule(againMs);
  }

  /** Writes what is ready. What a failure leaves is written the next time. */
  async #write(now: number): Promise<void> {
    for (;;) {
      this.#chunk ??= this.#files.isOpen ? this.#nextChunk(now) : undefined;
      if (this.#chunk !== undefined) {
        await this.#files.write(this.#chunk.bytes);
        this.#written += this.#chunk.lines;
        this.#chunk = undefined;
        continue;
      }
      const next = this.#queue.ready(now);
      if (next === undefined) return;
      await this.#beginFile(next);
    }
  }

  /** Of what is ready; undefined: nothing is, or the file has no room for it. */
  #nextChunk(now: number): Chunk | undefined {
    const lines: Buffer[] = [];
    let bytes = 0;
    for (let next = this.#queue.ready(now); next && bytes < CHUNK_BYTES; next = this.#queue.ready(now)) {
      const line = Buffer.from(recordLine(next, this.#context!));
      if (this.#files.hasRoomFor(bytes + line.length)) {
        lines.push(line);
        bytes += line.length;
      } else if (lines.length > 0 || !this.#files.isEmpty) break;
      // Longer than a file may be.
      else this.#dropped++;
      this.#queue.shift();
    }
    return lines.length === 0 ? undefined : { bytes: Buffer.concat(lines, bytes), lines: lines.length };
  }

  /** @param first the exchange that its times begin with */
  async #beginFile({ decidedAt }: RecordedExchange): Promise<void> {
    const { blockTokens, now, wallClock } = this.#options;
    await this.#files.begin();
    const began = Math.round(wallClock() - (now() - decidedAt));
    this.#context = { salt: new FileSalt(), startedAt: decidedAt, began, blockTokens };
  }

  /** Once there is room again, so that what is said of what was dropped holds for more than a moment. */
  #recovered(): void {
    this.#backoff.reset();
    if (this.#state === 'well' || this.#queue.bytes > this.#pace.maxBytes / 2) return;
    const dropped = this.#dropped - this.#toldDropped;
    this.#toldDropped = this.#dropped;
    this.#become('well', { kind: 'recovered', dropped });
  }

  #become(state: 'well' | 'overflowed' | 'failed', fact: RecordingFact): void {
    if (this.#state === 'stopped') return;
    this.#state = state;
    this.#options.onFact(fact);
  }
}
