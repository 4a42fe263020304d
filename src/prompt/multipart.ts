/**
 * Finds one text field of a `multipart/form-data` body (RFC 7578) without decoding the rest: an uploaded audio file is
 * skipped, not copied. One pass over the body, forward only, with bounds on everything that a sender chooses.
 */

/** More than this many parts is not a form that any client of an inference API sends. */
const MAX_PARTS = 64;
/** The header lines of one part. */
const MAX_PART_HEADER_BYTES = 8 * 1024;
/** A model name is a short text; vLLM has no limit of its own. */
const MAX_FIELD_BYTES = 1024;

/** RFC 2046 5.1.1: 1 to 70 characters of a small alphabet. */
const BOUNDARY = /^[\w'()+,\-./:=? ]{0,69}[\w'()+,\-./:=?]$/;

/** `absent`: a form without that field. `malformed`: no form that can be read as far as the field, or beyond the bounds. */
export type FormField =
  | { readonly kind: 'found'; readonly value: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'malformed' };

export function isMultipart(contentType: string | undefined): boolean {
  return contentType !== undefined && /^\s*multipart\//i.test(contentType);
}

/** The first text field called `name`. A part with a filename is a file, never a field. */
export function findFormField(contentType: string, body: Uint8Array, name: string): FormField {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) return { kind: 'malformed' };
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');

  // The first delimiter may open the body, without the line break that belongs to every other one.
  const opens = bytes.subarray(0, delimiter.length - 2).equals(delimiter.subarray(2));
  let at = opens ? -2 : bytes.indexOf(delimiter);
  if (!opens && at < 0) return { kind: 'malformed' };

  for (let parts = 0; parts < MAX_PARTS; parts++) {
    const start = at + delimiter.length;
    if (bytes[start] === 0x2d && bytes[start + 1] === 0x2d) return { kind: 'absent' };
    const headers = skipLineEnd(bytes, start);
    if (headers === undefined) return { kind: 'malformed' };
    const headersEnd = endOfHeaders(bytes, headers);
    if (headersEnd === undefined) return { kind: 'malformed' };
    // The break that ends the headers may also begin the delimiter: a part without content.
    const end = bytes.indexOf(delimiter, headersEnd - 2);
    if (end < 0) return { kind: 'malformed' };
    if (isField(bytes.toString('latin1', headers, headersEnd), name)) {
      const value = bytes.subarray(headersEnd, Math.max(end, headersEnd));
      if (value.length > MAX_FIELD_BYTES) return { kind: 'malformed' };
      return { kind: 'found', value: value.toString('utf8') };
    }
    at = end;
  }
  return { kind: 'malformed' };
}

function boundaryOf(contentType: string): string | undefined {
  const match = /;\s*boundary=(?:"([^"]*)"|([^\s;]*))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  return boundary !== undefined && BOUNDARY.test(boundary) ? boundary : undefined;
}

/** The start of the line after a delimiter, which may be followed by blanks. */
function skipLineEnd(bytes: Buffer, from: number): number | undefined {
  let at = from;
  while (at - from < MAX_PART_HEADER_BYTES && (bytes[at] === 0x20 || bytes[at] === 0x09)) at++;
  return bytes[at] === 0x0d && bytes[at + 1] === 0x0a ? at + 2 : undefined;
}

/** Where a part's content starts. */
function endOfHeaders(bytes: Buffer, from: number): number | undefined {
  const window = bytes.subarray(from, from + MAX_PART_HEADER_BYTES);
  if (window[0] === 0x0d && window[1] === 0x0a) return from + 2;
  const end = window.indexOf('\r\n\r\n', 0, 'latin1');
  return end < 0 ? undefined : from + end + 4;
}

function isField(headers: string, name: string): boolean {
  const disposition = headers.split('\r\n').find(line => /^content-disposition:/i.test(line));
  if (disposition === undefined || /;\s*filename\*?=/i.test(disposition)) return false;
  const match = /;\s*name=(?:"([^"]*)"|([^\s;]*))/i.exec(disposition);
  return (match?.[1] ?? match?.[2]) === name;
}
