import { lstat, open, rename, unlink } from 'node:fs/promises';

/** What is done with files, so that tests can have a disk that is full, or slow. */
export interface FileSystem {
  /** What is there, a link being one itself. `nothing`: nothing. */
  look(path: string): Promise<'nothing' | 'empty_file' | 'file' | 'other'>;
  /** A new file that only its owner may read and write. Fails where there is something. */
  create(path: string): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

export interface OpenFile {
  /** Writes all of it at this place. After an error some of it may be there. */
  write(bytes: Buffer, position: number): Promise<void>;
  close(): Promise<void>;
}

export const realFiles: FileSystem = {
  async look(path) {
    try {
      const stat = await lstat(path);
      if (!stat.isFile()) return 'other';
      return stat.size === 0 ? 'empty_file' : 'file';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'nothing';
      throw error;
    }
  },

  async create(path) {
    // Exclusive: follows no link, and waits for nobody who would read a pipe.
    const handle = await open(path, 'wx', 0o600);
    return {
      async write(bytes, position) {
        for (let at = 0; at < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at);
          at += bytesWritten;
        }
      },
      close: () => handle.close(),
    };
  },

  rename,
  remove: unlink,
};
