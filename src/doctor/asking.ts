/** Questions over HTTP that never reject: how they ended is what the checks look at. */
import { AnswerTooLong, createHttpClient, type HttpClient, type Trust } from '../http-client.ts';
import { printable } from '../printable.ts';
import { deadlineAfter, monotonicClock, wallClock } from '../time.ts';

/** How a question ended. */
export type Asked =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly text: string;
      readonly tookMs: number;
      /** The server's clock less ours, as far as its `date` header tells; undefined: it has none. */
      readonly clockMs: number | undefined;
    }
  /** `reason`, in words. */
  | { readonly kind: 'refused' | 'silent' | 'broken'; readonly reason: string };

export interface AskerOptions {
  readonly base: URL;
  /** Sent as a bearer token; never shown. */
  readonly apiKey: string | undefined;
  readonly trust: Trust;
  /** Of one question. */
  readonly timeoutMs: number;
  readonly maxAnswerBytes?: number;
  /** Ends all questions. */
  readonly signal: AbortSignal;
}

/** What is asked of an admin port: no secret, and answers that may be long. */
export type AdminQuestions = Required<Pick<AskerOptions, 'base' | 'timeoutMs' | 'signal' | 'maxAnswerBytes'>>;

/** Asks the admin port of Envoy, or of a router. */
export function adminAsker(questions: AdminQuestions): Asker {
  return new Asker({ ...questions, apiKey: undefined, trust: { kind: 'system' } });
}

const TOO_LATE = new Error('no answer in time');

export class Asker {
  readonly #options: AskerOptions;
  readonly #client: HttpClient;

  constructor(options: AskerOptions) {
    const { base, apiKey, trust, maxAnswerBytes } = options;
    this.#options = options;
    this.#client = createHttpClient({
      ...{ base, trust },
      headers: { accept: '*/*', ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }) },
      ...(maxAnswerBytes !== undefined && { maxAnswerBytes }),
    });
  }

  get(path: string): Promise<Asked> {
    return this.#ask(path, undefined);
  }

  post(path: string, body: object, timeoutMs = this.#options.timeoutMs): Promise<Asked> {
    return this.#ask(path, body, timeoutMs);
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #ask(path: string, body: object | undefined, timeoutMs = this.#options.timeoutMs): Promise<Asked> {
    const deadline = deadlineAfter(timeoutMs, this.#options.signal, TOO_LATE);
    const started = monotonicClock();
    try {
      const { status, header, text } = await deadline.race(this.#client.ask(path, body, deadline.signal));
      const tookMs = monotonicClock() - started;
      const date = Date.parse(header('date') ?? '');
      // It has whole seconds, rounded down, and was written while the question was under way.
      const clockMs = Number.isNaN(date) ? undefined : date + 500 - (wallClock() - tookMs / 2);
      return { kind: 'answered', status, text: this.#withoutKey(text), tookMs, clockMs };
    } catch (error) {
      if (deadline.signal.aborted) {
        const reason =
          deadline.signal.reason === TOO_LATE
            ? `no answer within ${timeoutMs / 1_000} s`
            : 'the time was over';
        return { kind: 'silent', reason };
      }
      return failure(error);
    } finally {
      deadline.clear();
    }
  }

  /** An error may repeat what was sent. */
  #withoutKey(text: string): string {
    const { apiKey } = this.#options;
    return apiKey === undefined ? text : text.replaceAll(apiKey, '***');
  }
}

/** JSON of an answer with 200; undefined: it is something else. */
export function jsonOf(asked: Asked): unknown {
  return asked.kind === 'answered' && asked.status === 200 ? parsedJson(asked.text) : undefined;
}

/** undefined: it is no JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host name cannot be resolved now',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
};

function failure(error: unknown): Asked {
  if (error instanceof AnswerTooLong) return { kind: 'broken', reason: error.message };
  const { code = '', message } = error as NodeJS.ErrnoException;
  const unreachable = UNREACHABLE[code];
  if (unreachable !== undefined) return { kind: 'refused', reason: unreachable };
  return { kind: 'broken', reason: printable(message || code, 120) };
}
