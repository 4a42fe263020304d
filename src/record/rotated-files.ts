import type { FileSystem, OpenFile } from './file-system.ts';

export interface RotatedFilesOptions {
  readonly path: string;
  /** Of each file. */
  readonly maxBytes: number;
  /** The one that is written and those before it: `path`, `path.1`, `path.2` and so on. */
  readonly maxFiles: number;
  readonly files: FileSystem;
}

/** A file that is written, and those that were written before it. One call at a time. */
export class RotatedFiles {
  readonly #options: RotatedFilesOptions;
  #current: OpenFile | undefined;
  /** Of the current one. */
  #bytes = 0;

  constructor(options: RotatedFilesOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#current !== undefined;
  }

  /** Whether nothing has been written to the current file. */
  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Whether so many bytes more may be written to the current file. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#options.maxBytes;
  }

  /** Begins a new file. What is there, of this process or of one before it, becomes `.1`, and so on; the oldest is removed. */
  async begin(): Promise<void> {
    await this.close();
    const { path, files } = this.#options;
    const there = await files.look(path);
    if (there === 'other') throw new Error(`${path} is no regular file: remove it, or name another one`);
    if (there === 'empty_file') await files.remove(path);
    if (there === 'file') await this.#shift(0);
    this.#current = await files.create(path);
    this.#bytes = 0;
  }

  /** Writes it to the current file. After an error the same bytes may be written again: they take the place of what came to be there. */
  async write(bytes: Buffer): Promise<void> {
    await this.#current!.write(bytes, this.#bytes);
    this.#bytes += bytes.length;
  }

  async close(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await current?.close();
  }

  /** Makes room in place `number`. */
  async #shift(number: number): Promise<void> {
    const { path, maxFiles, files } = this.#options;
    const from = number === 0 ? path : `${path}.${number}`;
    if (number === maxFiles - 1) {
      await files.remove(from);
      return;
    }
    const to = `${path}.${number + 1}`;
    const there = await files.look(to);
    if (there === 'other') throw new Error(`${to} is no regular file: remove it, or record to another path`);
    if (there !== 'nothing') await this.#shift(number + 1);
    await files.rename(from, to);
  }
}
