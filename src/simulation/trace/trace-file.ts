import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { parseMooncakeLine, TraceError } from './mooncake.ts';
import type { Trace, TraceRequest } from './trace-request.ts';

/** A request of a million tokens has a line of 16 KB. */
const MAX_LINE_CHARACTERS = 1 << 22;

/** The requests of one file, read as they are asked for. */
export function traceFile(path: string): Trace {
  return { [Symbol.asyncIterator]: () => requestsOf(path) };
}

/** @throws TraceError that names the file and the line */
async function* requestsOf(path: string): AsyncGenerator<TraceRequest> {
  let number = 0;
  let before = 0;
  for await (const line of linesOf(path)) {
    number++;
    if (line.trim() === '') continue;
    const place = `${path}, line ${number}`;
    if (line.length > MAX_LINE_CHARACTERS)
      throw new TraceError(`${place}: is longer than ${MAX_LINE_CHARACTERS} characters`);
    const request = parsed(line, place);
    if (request.atMs < before) {
      throw new TraceError(
        `${place}: timestamp ${request.atMs} is before that of an earlier line, ${before}; sort the lines by it`,
      );
    }
    before = request.atMs;
    yield request;
  }
}

function parsed(line: string, place: string): TraceRequest {
  try {
    return parseMooncakeLine(line);
  } catch (error) {
    throw error instanceof TraceError ? new TraceError(`${place}: ${error.message}`) : error;
  }
}

/** Never more of a file than one piece and one line, however long lines are. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  try {
    for await (const piece of createReadStream(path)) {
      const lines = (rest + decoder.write(piece as Buffer)).split('\n');
      rest = lines.pop()!;
      yield* lines;
      if (rest.length > MAX_LINE_CHARACTERS) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined || error instanceof TraceError) throw error;
    throw new TraceError(`${path} cannot be read: ${(error as Error).message}`);
  }
  if (rest !== '') yield rest;
}
