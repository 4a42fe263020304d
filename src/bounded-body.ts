/**
 * The text of an answer's body, all of it. Leaving the loop early destroys the body, and with it the connection.
 * @param maxBytes a longer body rejects with the error of `tooLong`
 */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  tooLong: () => Error,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length).toString('utf8');
}
