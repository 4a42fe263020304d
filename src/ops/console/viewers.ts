/** Those who watch the console: connections that server-sent events are written to. */
import type { ServerResponse } from 'node:http';
import type { Full } from './messages.ts';

export interface ViewersOptions {
  readonly maxViewers: number;
  /** Who has more than this unread is dropped; the page connects again, and is told everything anew. */
  readonly maxUnreadBytes: number;
  /** Somebody watches, and nobody did. */
  readonly onFirst: () => void;
  /** Nobody watches any more. */
  readonly onNone: () => void;
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // Proxies that gather answers would keep the page waiting (nginx).
  'x-accel-buffering': 'no',
};

export class Viewers {
  readonly #options: ViewersOptions;
  readonly #open = new Set<ServerResponse>();

  constructor(options: ViewersOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  /** @param welcome the first thing that is said */
  admit(response: ServerResponse, welcome: () => string): void {
    const { maxViewers, onFirst, onNone } = this.#options;
    // Gone before it was its turn: it would never be noticed.
    if (response.destroyed) return;
    if (this.#open.size >= maxViewers) {
      // An error status would hide from the page what is wrong.
      response.writeHead(200, HEADERS).end(eventText('full', { maxViewers } satisfies Full));
      return;
    }
    response.writeHead(200, HEADERS).write(welcome());
    this.#open.add(response);
    response.once('close', () => {
      this.#open.delete(response);
      if (this.#open.size === 0) onNone();
    });
    if (this.#open.size === 1) onFirst();
  }

  send(text: string): void {
    for (const response of this.#open) {
      if (response.writableLength > this.#options.maxUnreadBytes) response.destroy();
      else response.write(text);
    }
  }

  end(): void {
    for (const response of this.#open) response.end();
  }
}

/** One server-sent event. JSON has no line breaks of its own. */
export function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
