import { type TraceLine, traceLines } from './trace-lines.ts';
import type { Trace, TraceRequest } from './trace-request.ts';

/** What a trace is read with. */
export interface TraceReading {
  /** undefined: requests of all models. */
  readonly model: string | undefined;
  /** What requests generate of which a recording does not say it. */
  readonly outputTokens: number;
  /** Told, at the end of a file, what was left out or made up; the same for each reading. */
  readonly onNote: (note: string) => void;
}

const AS_IT_IS: TraceReading = { model: undefined, outputTokens: 256, onNote: () => {} };

/** The requests of one file, read as they are asked for. @param startMs what is added to their times */
export function traceFile(path: string, reading: TraceReading = AS_IT_IS, startMs = 0): Trace {
  return { [Symbol.asyncIterator]: () => requestsOf(path, reading, startMs) };
}

/**
 * Several files. Those that a router has recorded say when they began, and start as far apart; others start at once.
 * @throws TraceError that names the file and the line
 */
export async function traceFiles(paths: readonly string[], reading: TraceReading): Promise<readonly Trace[]> {
  const began = await Promise.all(paths.map(beganMs));
  const first = began.reduce<number>(
    (least, each) => Math.min(least, each ?? least),
    Number.POSITIVE_INFINITY,
  );
  return paths.map((path, i) => {
    const own = began[i];
    return traceFile(path, reading, own === undefined ? 0 : own - first);
  });
}

/** Milliseconds since the epoch, by its first line. undefined: it does not say. */
export async function beganMs(path: string): Promise<number | undefined> {
  for await (const { fields } of traceLines(path)) {
    const { began } = fields;
    return Number.isSafeInteger(began) && (began as number) >= 0 ? (began as number) : undefined;
  }
  return undefined;
}

async function* requestsOf(
  path: string,
  { model, outputTokens: usual, onNote }: TraceReading,
  startMs: number,
): AsyncGenerator<TraceRequest> {
  const count = { lines: 0, otherModels: 0, withoutPrompt: 0, withoutOutput: 0, inCharacters: 0 };
  for await (const line of traceLines(path, onNote)) {
    count.lines++;
    if (model !== undefined && line.model !== model) {
      count.otherModels++;
      continue;
    }
    if (line.prompt === undefined) {
      count.withoutPrompt++;
      continue;
    }
    if (line.outputTokens === undefined) count.withoutOutput++;
    if (isInCharacters(line)) count.inCharacters++;
    yield { ...line.prompt, atMs: startMs + line.atMs, outputTokens: line.outputTokens ?? usual };
  }
  const note = (lines: number, what: string) => {
    if (lines > 0) onNote(`${path}: ${lines} of ${count.lines} requests ${what}`);
  };
  note(count.otherModels, `are of other models than ${model}, and left out`);
  note(count.withoutPrompt, 'were not looked up by their prompts, and are left out');
  note(
    count.withoutOutput,
    `do not say how much they generated: ${usual} tokens are taken (--output-tokens)`,
  );
  note(count.inCharacters, 'are measured in characters, as the local tokenizer counts');
}

function isInCharacters({ fields }: TraceLine): boolean {
  return fields.token_space === 'character';
}
