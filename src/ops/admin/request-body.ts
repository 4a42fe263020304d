/** Bodies of requests to the admin port, within the memory that all of them share. */
import type { IncomingMessage } from 'node:http';

/** The share of one request. */
export interface RoomLease {
  /** Takes so many bytes more; false: there is no room for them. */
  take(bytes: number): boolean;
  /** The request is over. Harmless to repeat. */
  end(): void;
}

export class BodyRoom {
  #freeBytes: number;

  constructor(bytes: number) {
    this.#freeBytes = bytes;
  }

  lease(): RoomLease {
    let taken = 0;
    return {
      take: bytes => {
        if (bytes > this.#freeBytes) return false;
        this.#freeBytes -= bytes;
        taken += bytes;
        return true;
      },
      end: () => {
        this.#freeBytes += taken;
        taken = 0;
      },
    };
  }
}

/**
 * `gone`: the client has. A body that is longer than `maxBytes` ends the connection; one that there is no room for is read on, and dropped.
 * @param lease undefined: nobody wants it
 */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  lease: RoomLease | undefined,
): Promise<Buffer | 'gone' | 'no_room'> {
  const { promise, resolve } = Promise.withResolvers<Buffer | 'gone' | 'no_room'>();
  let parts: Buffer[] | undefined = lease && [];
  let receivedBytes = 0;
  request.on('data', (part: Buffer) => {
    receivedBytes += part.length;
    if (receivedBytes > maxBytes) request.destroy();
    else if (parts === undefined) return;
    else if (lease!.take(part.length)) parts.push(part);
    else {
      parts = undefined;
      lease!.end();
      resolve('no_room');
    }
  });
  request.once('end', () => resolve(Buffer.concat(parts ?? [])));
  request.once('close', () => resolve('gone'));
  return promise;
}
