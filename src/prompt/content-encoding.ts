/** Bodies that a client has compressed (RFC 9110 8.4): decoded to be read. What is forwarded stays as it is. */
import type { Transform } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';

export type DecodedBody =
  | { readonly kind: 'decoded'; readonly body: Uint8Array }
  | { readonly kind: 'too_large' }
  /** Not what its `content-encoding` says. */
  | { readonly kind: 'corrupt' }
  /** An encoding that is not known here. */
  | { readonly kind: 'unknown' };

export const KNOWN_ENCODINGS = ['gzip', 'deflate', 'br', 'zstd'] as const;
type Encoding = (typeof KNOWN_ENCODINGS)[number];

/** Nobody needs more than one; each costs a pass. */
const MAX_ENCODINGS = 2;
/** Decoded at a time, on a thread of libuv: the event loop gets one such piece per turn. */
const PIECE_BYTES = 64 * 1024;
/** Of a zstd frame: 8 MiB, the most that RFC 9659 allows in HTTP. Node's default takes 128 MiB for a frame that asks for it. */
const MAX_ZSTD_WINDOW_LOG = 23;

/** Whether the body is as it was before anything was encoded. */
export function isPlain(contentEncoding: string | undefined): boolean {
  return contentEncoding === undefined || /^[\s,]*(identity[\s,]*)*$/i.test(contentEncoding);
}

/** Stops when more than `maxBytes` have come out, or with the reason of `signal` when that is aborted. */
export async function decodeBody(
  contentEncoding: string,
  raw: Uint8Array,
  maxBytes: number,
  signal: AbortSignal,
): Promise<DecodedBody> {
  const encodings = contentEncoding
    .toLowerCase()
    .split(',')
    .map(name => name.trim().replace(/^x-gzip$/, 'gzip'))
    .filter(name => name !== '' && name !== 'identity');
  if (encodings.length > MAX_ENCODINGS || !encodings.every(isKnown)) return { kind: 'unknown' };
  let body = raw;
  for (const encoding of encodings.reverse()) {
    const decoded = await inflate(decoderOf(encoding, body), body, maxBytes, signal);
    if (decoded.kind !== 'decoded') return decoded;
    body = decoded.body;
  }
  return { kind: 'decoded', body };
}

function isKnown(name: string): name is Encoding {
  return (KNOWN_ENCODINGS as readonly string[]).includes(name);
}

function decoderOf(encoding: Encoding, body: Uint8Array): Transform {
  const options = { chunkSize: PIECE_BYTES };
  switch (encoding) {
    case 'gzip':
      return createGunzip(options);
    case 'deflate':
      return hasZlibHeader(body) ? createInflate(options) : createInflateRaw(options);
    case 'br':
      return createBrotliDecompress(options);
    case 'zstd':
      return createZstdDecompress({
        ...options,
        params: { [constants.ZSTD_d_windowLogMax]: MAX_ZSTD_WINDOW_LOG },
      });
  }
}

/** RFC 9110 means the zlib format; some clients send bare deflate. */
function hasZlibHeader([first = 0, second = 0]: Uint8Array): boolean {
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
}

async function inflate(
  decoder: Transform,
  body: Uint8Array,
  maxBytes: number,
  signal: AbortSignal,
): Promise<DecodedBody> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const stop = () => decoder.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    decoder.end(body);
    for await (const piece of decoder as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > maxBytes) return { kind: 'too_large' };
      pieces.push(piece);
    }
    return { kind: 'decoded', body: Buffer.concat(pieces, bytes) };
  } catch {
    signal.throwIfAborted();
    return { kind: 'corrupt' };
  } finally {
    signal.removeEventListener('abort', stop);
    decoder.destroy();
  }
}
