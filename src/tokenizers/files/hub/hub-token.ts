import { BoundedReader } from '../../../pods/bounded-read.ts';
import { HubError } from './hub-error.ts';

/** Where the token of the hub is. `optional`: nobody named the file, and it need not be there. */
export type TokenPlace =
  | { readonly kind: 'text'; readonly text: () => string }
  | { readonly kind: 'file' | 'optional'; readonly path: string };

/** A token has some dozen characters. */
const BOUNDS = { maxBytes: 16 << 10, timeoutMs: 5_000 };
/** What may be in a header: a file with anything else is not the token, or one with a line too many. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Reads the token each time that it is asked for, since it may be renewed. Rejects with HubError, which never has what is in the file. */
export function tokenReader(place: TokenPlace): (signal: AbortSignal) => Promise<string | undefined> {
  if (place.kind === 'text') return () => Promise.resolve(place.text());
  const { kind, path } = place;
  const reader = new BoundedReader(BOUNDS);
  return async signal => {
    const content = await reader.read(path, signal);
    if (content.kind === 'unreadable') {
      if (kind === 'optional' && (content.code === 'ENOENT' || content.code === 'ENOTDIR')) return undefined;
      throw new HubError({ kind: 'no_token_file', path, reason: `cannot be read: ${content.reason}` }, 0);
    }
    const token = content.text.trim();
    if (token === '' && kind === 'optional') return undefined;
    if (TOKEN.test(token)) return token;
    const reason = 'must hold the token, in one line, and nothing else';
    throw new HubError({ kind: 'no_token_file', path, reason }, 0);
  };
}
