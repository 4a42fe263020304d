import { bytesOf, type RecordedExchange } from './recorded-exchange.ts';

export interface ExchangeQueueOptions {
  /** How long an exchange is waited for by those behind it. */
  readonly patienceMs: number;
  /** Above it nothing is waited for. */
  readonly fullBytes: number;
  /** Above it nothing is taken. */
  readonly maxBytes: number;
}

/**
 * Exchanges in the order of their decisions, each until it is over, so that lines are sorted by time and have the outcome. One that takes too
 * long keeps the others for a bounded time.
 */
export class ExchangeQueue {
  readonly #options: ExchangeQueueOptions;
  #exchanges: RecordedExchange[] = [];
  /** Before it they are gone. */
  #first = 0;
  #bytes = 0;

  constructor(options: ExchangeQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#exchanges.length - this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** false: there is no room. */
  add(exchange: RecordedExchange): boolean {
    const bytes = bytesOf(exchange);
    if (this.#bytes + bytes > this.#options.maxBytes) return false;
    this.#exchanges.push(exchange);
    this.#bytes += bytes;
    return true;
  }

  /** The first one, if it is over, or not waited for any more. @param now by the clock of the decisions; infinity: nobody is waited for */
  ready(now: number): RecordedExchange | undefined {
    const first = this.#exchanges[this.#first];
    if (first === undefined) return undefined;
    const { patienceMs, fullBytes } = this.#options;
    const isDue =
      first.tookMs !== undefined || now - first.decidedAt >= patienceMs || this.#bytes > fullBytes;
    return isDue ? first : undefined;
  }

  /** Takes the first one out. */
  shift(): void {
    this.#bytes -= bytesOf(this.#exchanges[this.#first++]!);
    if (this.#first < 64 || 2 * this.#first < this.#exchanges.length) return;
    this.#exchanges = this.#exchanges.slice(this.#first);
    this.#first = 0;
  }
}
