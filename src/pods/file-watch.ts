import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { repeat, type Sleep } from '../time.ts';
import type { FileContent } from './bounded-read.ts';

export interface FileWatchOptions {
  readonly path: string;
  /** Rejects only when its signal is aborted. */
  readonly read: (path: string, signal: AbortSignal) => Promise<FileContent>;
  /** What is known of the file already. */
  readonly initial: FileContent;
  readonly pollEveryMs: number;
  /** A change counts once two reads this far apart agree, so that a file is not taken half written. */
  readonly settleMs: number;
  readonly sleep: Sleep;
  /** Awaited before the next read. Rejects only after `stop`. */
  readonly onChange: (content: FileContent) => Promise<void> | void;
}

export interface FileWatch {
  /** Looks now whether the content is another one, as is done now and then anyway. */
  check(): Promise<void>;
  /** Reads now and calls `onChange` whether or not anything changed. */
  reread(): Promise<void>;
  /** Afterwards no timer or watcher is left and `onChange` is not called again. */
  stop(): Promise<void>;
}

/**
 * Follows a file's content, however it changes: written in place, replaced by rename, removed, or behind symbolic links
 * that are swapped (Kubernetes replaces a mounted ConfigMap by renaming `..data` beside it). The directory is watched
 * for speed and the content polled for certainty: a watch sees nothing when a link points to another file, on network file
 * systems, after the directory itself was replaced, or when the system is out of watches.
 */
export function watchFile(options: FileWatchOptions): FileWatch {
  const { path, read, pollEveryMs, settleMs, sleep, onChange } = options;
  const stopping = new AbortController();
  let known = options.initial;
  let running: Promise<void> | undefined;
  let askedAgain = false;

  async function readSettled(): Promise<FileContent> {
    let content = await read(path, stopping.signal);
    // What hangs is not half written, and waited for long enough already.
    while (!same(content, known) && !hangs(content)) {
      await sleep(settleMs, stopping.signal);
      const later = await read(path, stopping.signal);
      if (same(content, later)) break;
      content = later;
    }
    return content;
  }

  async function checkUntilQuiet(): Promise<void> {
    do {
      askedAgain = false;
      const content = await readSettled();
      if (stopping.signal.aborted) return;
      if (same(content, known)) continue;
      known = content;
      await onChange(content);
    } while (askedAgain);
  }

  /** One check at a time: one that is asked for meanwhile follows, since the running one may have read already. */
  function check(): Promise<void> {
    askedAgain = true;
    running ??= checkUntilQuiet()
      .catch(error => {
        if (!stopping.signal.aborted) throw error;
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  }

  const watcher = watchDirectory(dirname(path), () => void check());
  const polling = repeat({ everyMs: pollEveryMs, sleep, signal: stopping.signal, task: check });
  return {
    check,
    async reread() {
      try {
        const content = await read(path, stopping.signal);
        known = content;
        await onChange(content);
      } catch (error) {
        if (!stopping.signal.aborted) throw error;
      }
    },
    async stop() {
      stopping.abort();
      watcher?.close();
      await Promise.all([polling, running]);
    },
  };
}

function hangs(content: FileContent): boolean {
  return content.kind === 'unreadable' && content.code === 'ETIMEDOUT';
}

function same(a: FileContent, b: FileContent): boolean {
  if (a.kind === 'text') return b.kind === 'text' && a.text === b.text;
  return b.kind === 'unreadable' && a.code === b.code;
}

/** Undefined where watching does not work: the poll sees the change a little later. */
function watchDirectory(directory: string, onEvent: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, onEvent);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}
