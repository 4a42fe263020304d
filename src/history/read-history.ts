import { beganMs } from '../simulation/trace/trace-file.ts';
import { traceLines } from '../simulation/trace/trace-lines.ts';
import type { History } from './history.ts';
import { ModelAccount } from './model-account.ts';
import { Named } from './named.ts';
import { nameOf, recordedFields } from './recorded-fields.ts';

export interface HistoryOptions {
  /** undefined: all. */
  readonly model: string | undefined;
  /** Hot prefixes that are named of each model. */
  readonly top: number;
  /** Told what was left out. */
  readonly onNote: (note: string) => void;
  /** Of each model's blocks so many are remembered, some 150 bytes each. */
  readonly maxBlocks?: number;
  readonly signal?: AbortSignal;
}

const MAX_BLOCKS = 500_000;
const MAX_MODELS = 100;
const UNNAMED = '(no model)';

/**
 * Recordings, or traces in Mooncake's format, one after the other as they began: prompts of two recordings have no ids in common.
 * @throws TraceError that names the file and the line
 */
export async function readHistory(files: readonly string[], options: HistoryOptions): Promise<History> {
  const { model: wanted, onNote, maxBlocks = MAX_BLOCKS, signal } = options;
  const models = new Named(model => new ModelAccount(model, maxBlocks), MAX_MODELS);
  const began = await Promise.all(files.map(beganMs));
  const inOrder = files
    .map((path, i) => ({ path, began: began[i] }))
    .sort((one, other) => (one.began ?? 0) - (other.began ?? 0));
  const first = Math.min(...began.filter(each => each !== undefined));
  for (const { path, began: own } of inOrder) {
    const startMs = own === undefined ? 0 : own - first;
    for await (const { atMs, model, prompt, fields } of traceLines(path, onNote)) {
      signal?.throwIfAborted();
      if (wanted !== undefined && model !== wanted) continue;
      models
        .of(model === undefined ? UNNAMED : nameOf(model))
        .add(prompt, recordedFields(fields), startMs + atMs);
    }
  }
  const all = models.values().map(account => account.history(options.top));
  return { files, models: all.sort((one, other) => other.promptTokens - one.promptTokens) };
}
