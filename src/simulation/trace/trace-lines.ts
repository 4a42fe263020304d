import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { type JsonObject, type MooncakeLine, mooncakeLine, parseJsonLine, TraceError } from './mooncake.ts';

/** A request of a million tokens has a line of 16 KB, and in blocks of 16 tokens one of 1 MB. */
const MAX_LINE_CHARACTERS = 1 << 22;

export interface TraceLine extends MooncakeLine {
  /** All that the line has. */
  readonly fields: JsonObject;
}

/**
 * The lines of one trace, read as they are asked for, sorted by time. A last line that has no end and is no JSON was being written when its
 * router ended, and is left out.
 * @param onNote told what was left out
 * @throws TraceError that names the file and the line
 */
export async function* traceLines(
  path: string,
  onNote: (note: string) => void = () => {},
): AsyncGenerator<TraceLine> {
  let number = 0;
  let before = 0;
  for await (const { text, isWhole } of linesOf(path)) {
    number++;
    if (text.trim() === '') continue;
    const place = `${path}, line ${number}`;
    if (text.length > MAX_LINE_CHARACTERS)
      throw new TraceError(`${place}: is longer than ${MAX_LINE_CHARACTERS} characters`);
    if (!isWhole && !isJson(text)) {
      onNote(`${place}: was not written to its end, and is left out`);
      return;
    }
    const line = parsed(text, place);
    if (line.atMs < before) {
      throw new TraceError(
        `${place}: timestamp ${line.atMs} is before that of an earlier line, ${before}; sort the lines by it`,
      );
    }
    before = line.atMs;
    yield line;
  }
}

function parsed(text: string, place: string): TraceLine {
  try {
    const fields = parseJsonLine(text);
    return { ...mooncakeLine(fields), fields };
  } catch (error) {
    throw error instanceof TraceError ? new TraceError(`${place}: ${error.message}`) : error;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

interface Line {
  readonly text: string;
  /** Whether its end is there. */
  readonly isWhole: boolean;
}

/** Never more of a file than one piece and one line, however long lines are. */
async function* linesOf(path: string): AsyncGenerator<Line> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  try {
    for await (const piece of createReadStream(path)) {
      const lines = (rest + decoder.write(piece as Buffer)).split('\n');
      rest = lines.pop()!;
      for (const text of lines) yield { text, isWhole: true };
      if (rest.length > MAX_LINE_CHARACTERS) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined || error instanceof TraceError) throw error;
    throw new TraceError(`${path} cannot be read: ${(error as Error).message}`);
  }
  if (rest !== '') yield { text: rest, isWhole: false };
}
