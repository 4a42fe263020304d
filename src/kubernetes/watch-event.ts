/**
 * Reads the body of a watch: one JSON object a line, `{"type": …, "object": …}`.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
import { KubernetesError } from './kubernetes-error.ts';

/** The objects are untrusted: whoever reads them checks them. */
export type WatchEvent =
  /** The API server has accepted the watch; not on the wire. */
  | { readonly type: 'OPENED' }
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: unknown }
  /** Of the object there is only `metadata.resourceVersion`: all that happened up to there has been sent. */
  | { readonly type: 'BOOKMARK'; readonly object: unknown }
  /** The object is a `Status`; the API server ends the watch after it. */
  | { readonly type: 'ERROR'; readonly object: unknown };

const TYPES: ReadonlySet<unknown> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']);
const NEWLINE = 10;

/**
 * Events of a body that may be cut into chunks anywhere. A line that is not complete when the body ends is not an event. Fails with
 * KubernetesError (`malformed`) at a line that is no event, or longer than `maxLineBytes`.
 */
export async function* readWatchEvents(
  body: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<WatchEvent> {
  /** Parts of the line that has begun; joined once it is complete, and so decoded only as a whole. */
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); ; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end === -1 ? chunk.length : end);
      bytes += part.length;
      if (bytes > maxLineBytes) throw malformed(`an event is longer than ${maxLineBytes} bytes`);
      if (part.length > 0) parts.push(part);
      if (end === -1) break;
      if (bytes > 0) yield parse(Buffer.concat(parts, bytes).toString('utf8'));
      parts = [];
      bytes = 0;
      start = end + 1;
    }
  }
}

function parse(line: string): WatchEvent {
  let event: Partial<Record<'type' | 'object', unknown>> | null;
  try {
    event = JSON.parse(line);
  } catch {
    throw malformed('an event of the watch is no JSON');
  }
  if (typeof event !== 'object' || event === null || !TYPES.has(event.type))
    throw malformed('an event of the watch is none that is known');
  return event as WatchEvent;
}

function malformed(message: string): KubernetesError {
  return new KubernetesError('malformed', message);
}
