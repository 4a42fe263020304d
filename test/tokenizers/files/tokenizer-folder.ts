/** Directories of tokenizer files, as tests need them. */
import { mkdir, mkdtemp, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const TOKENIZER_TEXT = '{"model":{"type":"BPE","vocab":{},"merges":[]}}';
export const TEMPLATE = '{{ bos_token }}{{ messages[0].content }}';

export interface TokenizerFolder {
  readonly path: string;
  at(...names: string[]): string;
  /** Replaces what is there, so that nothing is seen in between. */
  write(name: string, content: string | object): Promise<void>;
  /** A whole set of files below `name`; undefined is left out. */
  writeModel(name: string, files?: Record<string, string | object | undefined>): Promise<void>;
  remove(): Promise<void>;
}

export async function tokenizerFolder(): Promise<TokenizerFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'warmroute-tokenizers-')));
  const at = (...names: string[]) => join(path, ...names);
  async function write(name: string, content: string | object): Promise<void> {
    await mkdir(dirname(at(name)), { recursive: true });
    const text =
      typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
    await writeFile(at(`${name}.new`), text);
    await rename(at(`${name}.new`), at(name));
  }
  return {
    path,
    at,
    write,
    async writeModel(name, files = {}) {
      const all = {
        'tokenizer.json': TOKENIZER_TEXT,
        'tokenizer_config.json': { bos_token: '<s>', chat_template: TEMPLATE },
        ...files,
      };
      await mkdir(at(name), { recursive: true });
      for (const [file, content] of Object.entries(all))
        if (content !== undefined) await write(join(name, file), content);
    },
    remove: () => rm(path, { recursive: true }),
  };
}
