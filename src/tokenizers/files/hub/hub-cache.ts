/**
 * The cache of the model hub's own clients (huggingface_hub): `models--Org--Name/snapshots/<commit>/…`, with the commit of the main
 * revision in `refs/main`, and `.no_exist/<commit>/…` for files that are not there. Others may fill it, and use what is written here.
 */
import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BoundedReader } from '../../../pods/bounded-read.ts';
import { MAX_CONFIG_BYTES, TOKENIZER } from '../tokenizer-files.ts';
import { COMMIT } from './hub-client.ts';
import { HubError } from './hub-error.ts';

/** The body is longer than it may be. */
export class BodyTooLong extends Error {
  override readonly name = 'BodyTooLong';
}

/** The body is not what the hub said that it is. */
export class OtherBody extends Error {
  override readonly name = 'OtherBody';
}

const TEMPORARY = '.warmroute-';
/** No download takes so long. */
const ABANDONED_MS = 3_600_000;

/** Of what others may have written: it may be no file at all. */
const READ_BOUNDS = { maxBytes: MAX_CONFIG_BYTES, timeoutMs: 5_000 };

export class HubCache {
  readonly #reader = new BoundedReader(READ_BOUNDS);
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  folderOf(model: string): string {
    return join(this.#directory, `models--${model.replace('/', '--')}`);
  }

  /** Where the commit of the main revision is written down. */
  mainOf(model: string): string {
    return join(this.folderOf(model), 'refs', 'main');
  }

  /** The directory with the files of the main revision; undefined: there is none, or no tokenizer in it. */
  async snapshotOf(model: string, signal: AbortSignal): Promise<string | undefined> {
    const commit = (await this.#text(this.mainOf(model), signal)).trim();
    if (!COMMIT.test(commit)) return undefined;
    const snapshot = this.#snapshot(model, commit);
    return (await isThere(join(snapshot, TOKENIZER))) ? snapshot : undefined;
  }

  /** `absent`: the commit has no such file. */
  async has(model: string, commit: string, file: string): Promise<'here' | 'absent' | 'unknown'> {
    if (await isThere(join(this.#snapshot(model, commit), file))) return 'here';
    return (await isThere(this.#absent(model, commit, file))) ? 'absent' : 'unknown';
  }

  /** '' where there is none that can be read. */
  read(model: string, commit: string, file: string, signal: AbortSignal): Promise<string> {
    return this.#text(join(this.#snapshot(model, commit), file), signal);
  }

  /** There at once, or not at all. Rejects with HubError, BodyTooLong, OtherBody, or with the error of `body`. */
  async store(
    model: string,
    commit: string,
    file: string,
    { body, sha256 }: { readonly body: AsyncIterable<Uint8Array>; readonly sha256: string | undefined },
    maxBytes: number,
  ): Promise<void> {
    const target = join(this.#snapshot(model, commit), file);
    const temporary = join(this.folderOf(model), `${TEMPORARY}${randomUUID()}`);
    await this.#onDisk(() => mkdir(dirname(target), { recursive: true }));
    const handle = await this.#onDisk(() => open(temporary, 'wx', 0o644));
    try {
      const hash = createHash('sha256');
      let length = 0;
      for await (const chunk of body) {
        length += chunk.length;
        if (length > maxBytes) throw new BodyTooLong();
        hash.update(chunk);
        await this.#onDisk(() => handle.writeFile(chunk));
      }
      if (sha256 !== undefined && hash.digest('hex') !== sha256) throw new OtherBody();
      await this.#onDisk(() => handle.datasync());
      await handle.close();
      await this.#onDisk(() => rename(temporary, target));
    } catch (error) {
      await handle.close();
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Remembers that the commit has no such file. */
  async markAbsent(model: string, commit: string, file: string): Promise<void> {
    const path = this.#absent(model, commit, file);
    await this.#onDisk(() => mkdir(dirname(path), { recursive: true }));
    await this.#onDisk(() => writeFile(path, ''));
  }

  /** All files of the commit are here: it is the main revision from now on. */
  async setMain(model: string, commit: string, signal: AbortSignal): Promise<void> {
    const main = this.mainOf(model);
    if ((await this.#text(main, signal)).trim() === commit) return;
    const temporary = join(this.folderOf(model), `${TEMPORARY}${randomUUID()}`);
    await this.#onDisk(() => mkdir(dirname(main), { recursive: true }));
    await this.#onDisk(() => writeFile(temporary, commit));
    await this.#onDisk(() => rename(temporary, main));
  }

  /** Removes what a process that ended has left. @param nowMs of the wall clock */
  async clean(model: string, nowMs: number): Promise<void> {
    const folder = this.folderOf(model);
    for (const name of await readdir(folder).catch(() => [])) {
      if (!name.startsWith(TEMPORARY)) continue;
      const path = join(folder, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: nowMs }));
      if (nowMs - mtimeMs > ABANDONED_MS) await rm(path, { force: true });
    }
  }

  async #text(path: string, signal: AbortSignal): Promise<string> {
    const isFile = await stat(path).then(
      stats => stats.isFile(),
      () => false,
    );
    if (!isFile) return '';
    const content = await this.#reader.read(path, signal);
    return content.kind === 'text' ? content.text : '';
  }

  #snapshot(model: string, commit: string): string {
    return join(this.folderOf(model), 'snapshots', commit);
  }

  #absent(model: string, commit: string, file: string): string {
    return join(this.folderOf(model), '.no_exist', commit, file);
  }

  async #onDisk<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const reason = (error as Error).message;
      throw new HubError({ kind: 'cache_not_writable', directory: this.#directory, reason }, 0);
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
