/**
 * ZMTP 3.0 as bytes (https://rfc.zeromq.org/spec/23/), of the receiving side and without security: no socket, no clock.
 *
 *   greeting   64 bytes: FF, 8 bytes, 7F | major minor | mechanism, 20 bytes | as-server | filler
 *   frame      flags (1 = more follow, 2 = long, 4 = command) | size, 1 or 8 bytes big-endian | body
 *   message    frames, all but the last with `more`
 *
 * Why it is not left to libzmq: that cannot bound the frames of a message (one message of a million frames stops the event loop
 * for seconds and takes a gigabyte), does not tell which address a message came from, and takes three sockets of a table of 1,023
 * for a connection whose state one wants to know. Publishers stay libzmq's, and tests talk to the real one.
 */

export type SocketType = 'SUB' | 'DEALER';

export const GREETING_BYTES = 64;
const MECHANISM_AT = 12;
const MECHANISM_BYTES = 20;
/** Flags of a frame. */
export const MORE = 1;
export const LONG = 2;
export const COMMAND = 4;

/** What goes out first, whatever the peer says. */
export function greeting(): Buffer {
  const bytes = Buffer.alloc(GREETING_BYTES);
  bytes[0] = 0xff;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  bytes.write('NULL', MECHANISM_AT, 'latin1');
  return bytes;
}

/** The NULL mechanism's handshake. */
export function ready(socketType: SocketType): Buffer {
  const property = Buffer.concat([
    shortString('Socket-Type'),
    Buffer.from([0, 0, 0, socketType.length]),
    Buffer.from(socketType, 'latin1'),
  ]);
  return frame(Buffer.concat([shortString('READY'), property]), COMMAND);
}

/** What a SUB asks for; ZMTP 3.0's form, which every later version takes, too. */
export function subscription(topic: string): Buffer {
  return frame(Buffer.concat([Buffer.from([1]), Buffer.from(topic)]), 0);
}

/** The answer to a PING, which carries a time to live of two bytes and a context to be sent back. */
export function pong(ping: Uint8Array): Buffer {
  return frame(Buffer.concat([shortString('PONG'), ping.subarray(2)]), COMMAND);
}

export function message(frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(frames.map((body, index) => frame(body, index < frames.length - 1 ? MORE : 0)));
}

function frame(body: Uint8Array, flags: number): Buffer {
  if (body.length < 256) return Buffer.concat([Buffer.from([flags, body.length]), body]);
  const head = Buffer.alloc(9);
  head[0] = flags | LONG;
  head.writeBigUInt64BE(BigInt(body.length), 1);
  return Buffer.concat([head, body]);
}

function shortString(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
}

/** Whether what has come so far can become the greeting of a peer that we understand. */
export function mayBeGreeting(head: Uint8Array, length: number): boolean {
  const last = length - 1;
  const byte = head[last]!;
  if (last === 0) return byte === 0xff;
  if (last === 9) return byte === 0x7f;
  if (last === 10) return byte >= 3;
  if (last < MECHANISM_AT || last >= MECHANISM_AT + MECHANISM_BYTES) return true;
  return byte === ('NULL'.charCodeAt(last - MECHANISM_AT) || 0);
}
