/** Loads one tokenizer on a thread of its own and answers with the ids of texts. On the main thread it does nothing. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { InvalidTokenizer, UnsupportedTokenizer } from '../bpe/refusals.ts';
import { type LoadedTokenizer, loadTokenizer } from '../bpe/tokenizer.ts';
import type { EncodeAnswer, EncodeRequest, Loaded, WorkerInput } from './messages.ts';

class TooLarge extends Error {}

if (parentPort) {
  const port = parentPort;
  const tokenizer = load(workerData as WorkerInput);
  if (tokenizer) {
    port.on('message', (texts: EncodeRequest) => {
      const answer = encode(tokenizer, texts);
      port.postMessage(answer, 'ids' in answer ? [answer.ids.buffer] : []);
    });
  }

  function load(input: WorkerInput): LoadedTokenizer | undefined {
    try {
      const text = readBounded(input.tokenizerJson, input.maxBytes);
      const loaded = loadTokenizer(text, input);
      const { boundaries, segments, before, after, shared } = loaded;
      port.postMessage({ kind: 'ready', boundaries, segments, before, after, shared } satisfies Loaded);
      return loaded;
    } catch (error) {
      port.postMessage(refused(error));
      return undefined;
    }
  }
}

function encode(tokenizer: LoadedTokenizer, texts: EncodeRequest): EncodeAnswer {
  try {
    return tokenizer.encode(texts);
  } catch (error) {
    return { failed: (error as Error).message };
  }
}

function refused(error: unknown): Loaded {
  if (error instanceof UnsupportedTokenizer) {
    return { kind: 'refused', refusal: 'unsupported', why: error.message };
  }
  if (error instanceof TooLarge) return { kind: 'refused', refusal: 'too_large', why: error.message };
  if (error instanceof InvalidTokenizer) return { kind: 'refused', refusal: 'invalid', why: error.message };
  const { code, message } = error as NodeJS.ErrnoException;
  return { kind: 'refused', refusal: 'invalid', why: code ? `it cannot be read: ${code}` : message };
}

/** Also of a file that grows; a pipe is no file. */
function readBounded(path: string, maxBytes: number): string {
  // Without O_NONBLOCK a pipe that nobody writes to would keep the thread for ever.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new InvalidTokenizer('it is no file');
    if (stat.size > maxBytes) throw new TooLarge(`it is longer than ${maxBytes} bytes`);
    const bytes = Buffer.allocUnsafe(stat.size);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(file, bytes, length, bytes.length - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}
