/** A GET that is asked every few seconds of every pod: little is made for each. */
import { Agent, type Dispatcher } from 'undici';

export type ProbeAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly text: string }
  /** Nothing listens there. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'timeout' }
  /** The connection broke, or what came was no HTTP, or too long. `reason` is the system's word. */
  | { readonly kind: 'broken'; readonly reason: string };

/** Of an answer that was handed on as it came. `cut`: it is longer, and the rest was not read. */
export type StreamAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly extent: 'whole' | 'cut' }
  | Exclude<ProbeAnswer, { readonly kind: 'answered' }>;

export interface Probe {
  /** Never rejects. `timeoutMs` bounds all of it. @param origin `http://10.0.0.1:8000` */
  get(origin: string, path: string, timeoutMs: number): Promise<ProbeAnswer>;
  /** The same, for long answers: each part goes to `take` when it comes. `maxBytes` bounds all parts together. */
  stream(
    origin: string,
    path: string,
    timeoutMs: number,
    take: (part: Buffer) => void,
  ): Promise<StreamAnswer>;
  /** Ends all connections. */
  close(): Promise<void>;
}

export interface ProbeOptions {
  /** A longer answer is cut off; one that is only looked at for its status may be. */
  readonly maxBytes: number;
  /** How long a connection is kept for the next question. */
  readonly keepAliveMs: number;
  /** Of https servers, PEM; undefined: those that Node knows. */
  readonly ca: string | undefined;
}

export function createProbe({ maxBytes, keepAliveMs, ca }: ProbeOptions): Probe {
  const agent = new Agent({
    connections: 1,
    pipelining: 1,
    allowH2: false,
    ...(ca !== undefined && { connect: { ca } }),
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    // Of what the server says that it keeps connections for; two seconds less is undici's default.
    keepAliveTimeoutThreshold: 500,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const stream: Probe['stream'] = (origin, path, timeoutMs, take) =>
    new Promise(resolve => {
      const handler = new AnswerReader({ maxBytes, timeoutMs, take, settle: resolve });
      agent.dispatch({ origin, path, method: 'GET', headers: ACCEPT }, handler);
    });
  return {
    async get(origin, path, timeoutMs) {
      let text = '';
      const answer = await stream(origin, path, timeoutMs, part => {
        text += part.toString('latin1');
      });
      return answer.kind === 'answered' ? { kind: 'answered', status: answer.status, text } : answer;
    },
    stream,
    close: () => agent.destroy(),
  };
}

const ACCEPT = { accept: '*/*' };
const TOO_LATE = new Error('no answer in time');
const LONG_ENOUGH = new Error('the answer is longer than what is read');

interface AnswerReaderOptions {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly take: (part: Buffer) => void;
  readonly settle: (answer: StreamAnswer) => void;
}

class AnswerReader implements Dispatcher.DispatchHandler {
  readonly #take: AnswerReaderOptions['take'];
  readonly #settle: AnswerReaderOptions['settle'];
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #isLate = false;
  #status = 0;
  /** That may still come. */
  #bytesLeft: number;

  constructor({ maxBytes, timeoutMs, take, settle }: AnswerReaderOptions) {
    this.#bytesLeft = maxBytes;
    this.#take = take;
    this.#settle = settle;
    this.#timer = setTimeout(() => {
      this.#isLate = true;
      // Before there is a connection nothing can be aborted; that ends by itself.
      if (this.#controller === undefined) this.#settle({ kind: 'timeout' });
      else this.#controller.abort(TOO_LATE);
    }, timeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isLate) controller.abort(TOO_LATE);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const part = chunk.subarray(0, this.#bytesLeft);
    this.#bytesLeft -= part.length;
    this.#take(part);
    if (this.#bytesLeft === 0) controller.abort(LONG_ENOUGH);
  }

  onResponseEnd(): void {
    this.#answered('whole');
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (error === LONG_ENOUGH) {
      this.#answered('cut');
      return;
    }
    clearTimeout(this.#timer);
    const reason = (error as NodeJS.ErrnoException).code ?? error.message;
    if (this.#isLate) this.#settle({ kind: 'timeout' });
    else if (reason === 'ECONNREFUSED') this.#settle({ kind: 'refused' });
    else this.#settle({ kind: 'broken', reason });
  }

  #answered(extent: 'whole' | 'cut'): void {
    clearTimeout(this.#timer);
    this.#settle({ kind: 'answered', status: this.#status, extent });
  }
}
