/**
 * Exact token ids of texts, from a `tokenizer.json`, on a thread of their own that is ended when it takes too long; short texts on this
 * one, where that is known to take no time.
 */
import { Worker } from 'node:worker_threads';
import { workerBeside } from '../../aside.ts';
import { deadlineAfter } from '../../time.ts';
import type { SharedEncoder } from '../bpe/shared-encoder.ts';
import { TextSplitter } from '../bpe/text-splitter.ts';
import type { EncodeAnswer, Loaded, WorkerInput } from './messages.ts';
import { ShortTexts } from './short-texts.ts';

export interface TextTokenizer {
  /** Where a text may be cut if segments are independent. */
  readonly splitter: {
    /**
     * The index behind the first added token at or behind `from` (0, or what this gave before) behind which the text is
     * independent of what stands before; -1: there is none. `from` goes forwards within a text.
     */
    endOfBoundary(text: string, from: number): number;
  };
  /**
   * `independent`: the ids of a text that is cut at boundaries are those of its segments, one behind the other. `whole`: only
   * whole texts have the right ids.
   */
  readonly segments: 'independent' | 'whole';
  /** Ids that `add_special_tokens` puts before and behind a text. */
  readonly before: Uint32Array;
  readonly after: Uint32Array;
  /**
   * Ids of each text, without `before` and `after`. Rejects with TokenizingError, or with the reason of `signal` when that is
   * aborted. The thread answers calls in their order, one at a time; short texts do not wait for it.
   */
  encode(texts: readonly string[], signal: AbortSignal): Promise<readonly Uint32Array[]>;
  /** Resolves when the thread is gone. */
  close(): Promise<void>;
}

export interface TextTokenizerFiles {
  /** Path of tokenizer.json. */
  readonly tokenizerJson: string;
  /** Content of tokenizer_config.json; without it, tokenizer.json is taken as it is. */
  readonly tokenizerConfig: string | undefined;
  /** Content of config.json, of which `model_type` says how transformers loads some tokenizers. */
  readonly modelConfig: string | undefined;
}

export interface TextTokenizerLimits {
  /** Of tokenizer.json. */
  readonly maxBytes: number;
  readonly loadTimeoutMs: number;
  readonly maxHeapMb: number;
  /** For a call: so long, and this much more for each 1,000 code units. */
  readonly encodeTimeoutMs: number;
  readonly encodeTimeoutMsPerThousand: number;
}

export const DEFAULT_TEXT_TOKENIZER_LIMITS: TextTokenizerLimits = {
  maxBytes: 64 << 20,
  loadTimeoutMs: 30_000,
  maxHeapMb: 1_024,
  // Of a machine without time to spare, too.
  encodeTimeoutMs: 5_000,
  encodeTimeoutMsPerThousand: 1,
};

export type TokenizerLoadFailure = 'unsupported' | 'invalid' | 'too_large' | 'too_slow' | 'out_of_memory';

/** There will be no tokenizer from this file; its message goes on after the file's name. */
export class TokenizerLoadError extends Error {
  override readonly name = 'TokenizerLoadError';
  readonly kind: TokenizerLoadFailure;

  constructor(kind: TokenizerLoadFailure, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** `too_slow` and `ended`: the thread is gone, and all further calls reject; `failed` and `invalid_text`: only this call. */
export type TokenizingFailure = 'too_slow' | 'ended' | 'failed' | 'invalid_text';

export class TokenizingError extends Error {
  override readonly name = 'TokenizingError';
  readonly kind: TokenizingFailure;

  constructor(kind: TokenizingFailure, message: string) {
    super(message);
    this.kind = kind;
  }
}

const TOO_LATE = new Error('too late');
const NEVER_ABORTED = new AbortController().signal;

/** Loads a tokenizer. Rejects with TokenizerLoadError, also when `signal` is aborted before it is there. */
export async function startTextTokenizer(
  files: TextTokenizerFiles,
  limits: TextTokenizerLimits = DEFAULT_TEXT_TOKENIZER_LIMITS,
  signal: AbortSignal = NEVER_ABORTED,
): Promise<TextTokenizer> {
  const { maxBytes, loadTimeoutMs, maxHeapMb } = limits;
  const thread = new Worker(workerBeside(import.meta.url, 'text-tokenizer-worker'), {
    workerData: { ...files, maxBytes } satisfies WorkerInput,
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
  });
  const deadline = deadlineAfter(loadTimeoutMs, signal, TOO_LATE);
  try {
    const loaded = await deadline.race(firstMessage(thread));
    if (loaded.kind === 'refused') throw new TokenizerLoadError(loaded.refusal, loaded.why);
    const tokenizer = new ThreadTokenizer(thread, loaded, limits);
    if (loaded.shared) await tokenizer.takeShortTexts(loaded.shared, deadline.signal);
    return tokenizer;
  } catch (error) {
    await thread.terminate();
    throw error instanceof TokenizerLoadError ? error : whyNotLoaded(error, limits);
  } finally {
    deadline.clear();
  }
}

function firstMessage(thread: Worker): Promise<Loaded> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('its thread ended')));
  });
}

function whyNotLoaded(error: unknown, limits: TextTokenizerLimits): TokenizerLoadError {
  if (error === TOO_LATE) {
    return new TokenizerLoadError('too_slow', `takes more than ${limits.loadTimeoutMs / 1_000} s to load`);
  }
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? new TokenizerLoadError('out_of_memory', `takes more than ${limits.maxHeapMb} MB to load`)
    : new TokenizerLoadError('invalid', `cannot be loaded: ${message}`);
}

interface Call {
  readonly texts: readonly string[];
  readonly settle: (answer: EncodeAnswer | TokenizingError) => void;
  isAborted: boolean;
}

class ThreadTokenizer implements TextTokenizer {
  readonly splitter: TextSplitter;
  readonly segments: 'independent' | 'whole';
  readonly before: Uint32Array;
  readonly after: Uint32Array;
  readonly #thread: Worker;
  readonly #limits: TextTokenizerLimits;
  readonly #exited: Promise<void>;
  /** The first one is what the thread works on. */
  readonly #calls: Call[] = [];
  #timer: NodeJS.Timeout | undefined;
  #over: TokenizingError | undefined;
  /** undefined: all texts are the thread's. */
  #shortTexts: ShortTexts | undefined;

  constructor(thread: Worker, loaded: Extract<Loaded, { kind: 'ready' }>, limits: TextTokenizerLimits) {
    this.splitter = new TextSplitter(loaded.boundaries);
    this.segments = loaded.segments;
    this.before = loaded.before;
    this.after = loaded.after;
    this.#thread = thread;
    this.#limits = limits;
    this.#exited = new Promise(resolve => thread.once('exit', () => resolve()));
    thread.removeAllListeners('error');
    thread.on('message', (answer: EncodeAnswer) => this.#answered(answer));
    thread.on('error', error => this.#end('ended', `its thread failed: ${error.message}`));
    thread.once('exit', () => this.#end('ended', 'its thread ended'));
    thread.unref();
  }

  async encode(texts: readonly string[], signal: AbortSignal): Promise<readonly Uint32Array[]> {
    signal.throwIfAborted();
    if (this.#over) throw this.#over;
    if (!texts.every(text => text.isWellFormed())) {
      throw new TokenizingError('invalid_text', 'a text has half of a surrogate pair');
    }
    if (this.#shortTexts?.takes(texts)) return this.#shortTexts.encode(texts);
    return new Promise((resolve, reject) => {
      const abort = () => {
        call.isAborted = true;
        reject(signal.reason);
      };
      const call: Call = {
        texts,
        isAborted: false,
        settle: answer => {
          signal.removeEventListener('abort', abort);
          if (answer instanceof Error) reject(answer);
          else if ('failed' in answer) reject(new TokenizingError('failed', answer.failed));
          else resolve(apart(answer.ids, answer.lengths));
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#calls.push(call);
      if (this.#calls.length === 1) this.#send();
    });
  }

  /** Resolves when short texts are tokenized on this thread, unless it ends before. */
  async takeShortTexts(shared: SharedEncoder, signal: AbortSignal): Promise<void> {
    const shortTexts = await ShortTexts.warmedUp(shared, signal);
    if (this.#over) throw this.#over;
    this.#shortTexts = shortTexts;
  }

  async close(): Promise<void> {
    this.#end('ended', 'it was closed');
    await this.#thread.terminate();
    await this.#exited;
  }

  #send(): void {
    const { encodeTimeoutMs, encodeTimeoutMsPerThousand } = this.#limits;
    while (this.#calls[0]?.isAborted) this.#calls.shift();
    const call = this.#calls[0];
    if (!call) {
      this.#thread.unref();
      return;
    }
    const units = call.texts.reduce((sum, text) => sum + text.length, 0);
    const ms = encodeTimeoutMs + (encodeTimeoutMsPerThousand * units) / 1_000;
    this.#timer = setTimeout(() => {
      this.#end('too_slow', `a text took more than ${Math.round(ms)} ms`);
      void this.#thread.terminate();
    }, ms);
    this.#thread.ref();
    this.#thread.postMessage(call.texts);
  }

  #answered(answer: EncodeAnswer): void {
    clearTimeout(this.#timer);
    this.#calls.shift()?.settle(answer);
    this.#send();
  }

  #end(kind: TokenizingFailure, message: string): void {
    clearTimeout(this.#timer);
    this.#over ??= new TokenizingError(kind, message);
    this.#shortTexts = undefined;
    for (const { settle } of this.#calls.splice(0)) settle(this.#over);
  }
}

function apart(ids: Uint32Array, lengths: readonly number[]): Uint32Array[] {
  let at = 0;
  return lengths.map(length => {
    at += length;
    return ids.subarray(at - length, at);
  });
}
