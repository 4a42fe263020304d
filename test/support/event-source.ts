/** A reader of server-sent events. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { Inbox } from './inbox.ts';

export interface EventReader {
  readonly response: IncomingMessage;
  /** The data of the next event of this name; what comes before it is skipped. Rejects when the connection ends first. */
  next<Data>(event: string): Promise<Data>;
  /** When the server has ended it. */
  readonly ended: Promise<unknown>;
  close(): void;
}

export async function readEvents(url: string): Promise<EventReader> {
  const request = get(url, { agent: false });
  request.on('error', () => {});
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  const inbox = new Inbox<{ readonly event: string; readonly data: string } | 'end'>();
  let event = '';
  const lines = createInterface({ input: response });
  lines.on('error', () => {});
  lines.on('line', line => {
    if (line.startsWith('event: ')) event = line.slice('event: '.length);
    else if (line.startsWith('data: ')) inbox.push({ event, data: line.slice('data: '.length) });
  });
  const ended = new Promise(resolve => response.once('close', resolve));
  void ended.then(() => inbox.push('end'));
  return {
    response,
    async next(name) {
      for (;;) {
        const told = await inbox.next();
        if (told === 'end') throw new Error(`the connection ended before ${name}`);
        if (told.event === name) return JSON.parse(told.data);
      }
    },
    ended,
    close: () => request.destroy(),
  };
}
