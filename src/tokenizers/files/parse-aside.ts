import { type AsideBounds, AsideError, workAside, workerBeside } from '../../aside.ts';
import type { FileTexts } from './file-texts.ts';
import { type ParsedFiles, parseFiles } from './parse.ts';
import { TOKENIZER_CONFIG } from './tokenizer-files.ts';

/** So much is parsed in a millisecond; a thread takes a hundred to start. */
const MAX_CHARACTERS_AT_ONCE = 128 << 10;
/** Gemma 3's configuration, the longest that is known, takes 20 ms. */
const DEFAULT_BOUNDS: AsideBounds = { timeoutMs: 10_000, maxHeapMb: 256 };

const WORKER = workerBeside(import.meta.url, 'parse-worker');

/**
 * As `parseFiles`, on a thread of its own unless that is quick: megabytes would stop the event loop. Rejects with the reason of `signal`
 * when that is aborted, and with nothing else.
 */
export async function parseAside(
  files: FileTexts,
  signal: AbortSignal,
  bounds: AsideBounds = DEFAULT_BOUNDS,
): Promise<ParsedFiles> {
  signal.throwIfAborted();
  const characters = Object.values(files.texts).reduce((sum, { length }) => sum + length, 0);
  if (characters <= MAX_CHARACTERS_AT_ONCE) return parseFiles(files);
  try {
    return await workAside<ParsedFiles>(WORKER, files, signal, bounds);
  } catch (error) {
    if (!(error instanceof AsideError)) throw error;
    return { kind: 'invalid', file: TOKENIZER_CONFIG, reason: error.message };
  }
}
