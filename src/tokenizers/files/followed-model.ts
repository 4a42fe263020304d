import { isDeepStrictEqual } from 'node:util';
import type { FileContent } from '../../pods/bounded-read.ts';
import { type FileWatch, watchFile } from '../../pods/file-watch.ts';
import type { Sleep } from '../../time.ts';
import { type FileWork, TooSlow } from './file-work.ts';
import { type Look, lookAt } from './look.ts';
import { readSeen } from './read.ts';
import type { FilesProblem, FilesState } from './tokenizer-files.ts';

/** Where to look now. */
export type Located =
  | { readonly kind: 'at'; readonly directory: string; readonly root: string }
  | Exclude<Look, { kind: 'seen' }>;

export interface FollowedModelOptions {
  readonly model: string;
  /** What is watched, so that most changes are seen at once. */
  readonly watched: string;
  readonly locate: (signal: AbortSignal) => Promise<Located>;
  readonly work: FileWork;
  readonly pollEveryMs: number;
  readonly settleMs: number;
  readonly sleep: Sleep;
  /** Called with another state than before. */
  readonly onState: (state: FilesState) => void;
}

const LOADING: FilesState = { kind: 'loading' };
/** Equal to no look, so that the first one counts as a change. */
const NOT_LOOKED_AT: FileContent = { kind: 'unreadable', code: 'NOT_LOOKED_AT', reason: '' };

/** Follows the files of one model: what there is, is read when two looks in a row are the same, so that none is taken half written. */
export class FollowedModel {
  readonly #options: FollowedModelOptions;
  readonly #stopping = new AbortController();
  readonly #watch: FileWatch;
  #state: FilesState = LOADING;

  constructor(options: FollowedModelOptions) {
    this.#options = options;
    const { watched, pollEveryMs, settleMs, sleep } = options;
    this.#watch = watchFile({
      ...{ path: watched, pollEveryMs, settleMs, sleep },
      initial: NOT_LOOKED_AT,
      read: (_, signal) => this.#look(signal),
      onChange: content => this.#onContent(content),
    });
    void this.check();
  }

  get state(): FilesState {
    return this.#state;
  }

  /** To be called when it may be known of another place, or of another content. */
  check(): Promise<void> {
    return this.#watch.check();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watch.stop();
  }

  /** The look as text, so that two are compared as contents of a file are. */
  async #look(signal: AbortSignal): Promise<FileContent> {
    const { work, locate } = this.#options;
    try {
      const look = await work.run(signal, async inTime => {
        const located = await locate(inTime);
        return located.kind === 'at' ? lookAt(located.directory, located.root) : located;
      });
      return { kind: 'text', text: JSON.stringify(look) };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TooSlow) return { kind: 'unreadable', code: 'ETIMEDOUT', reason: error.message };
      const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
      return { kind: 'unreadable', code, reason: message };
    }
  }

  async #onContent(content: FileContent): Promise<void> {
    const state = await this.#stateOf(content);
    if (state === undefined || this.#stopping.signal.aborted || isSame(state, this.#state)) return;
    this.#state = state;
    this.#options.onState(state);
  }

  /** undefined: as before, until the next look. */
  async #stateOf(content: FileContent): Promise<FilesState | undefined> {
    const { model, work, watched } = this.#options;
    if (content.kind === 'unreadable')
      return broken(
        content.code === 'ETIMEDOUT'
          ? { kind: 'slow', directory: watched }
          : { kind: 'unreadable', path: watched, reason: content.reason },
      );
    const look = JSON.parse(content.text) as Look;
    if (look.kind === 'waiting') return LOADING;
    if (look.kind === 'problem') return broken(look.problem);
    try {
      const read = await work.run(this.#stopping.signal, signal => readSeen(model, look, signal));
      if (read.kind === 'changing') return undefined;
      return read.kind === 'files' ? { kind: 'ready', files: read.files } : broken(read.problem);
    } catch (error) {
      if (this.#stopping.signal.aborted) return undefined;
      if (error instanceof TooSlow) return broken({ kind: 'slow', directory: look.directory });
      return broken({ kind: 'unreadable', path: look.directory, reason: (error as Error).message });
    }
  }
}

function broken(problem: FilesProblem): FilesState {
  return { kind: 'broken', problem };
}

/** Files that say the same at another place are other files: whoever reads them is to read them there. */
function isSame(a: FilesState, b: FilesState): boolean {
  return isDeepStrictEqual(a, b);
}
