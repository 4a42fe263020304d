/** Reads the files that were looked at, if they are still the same. */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileTexts } from './file-texts.ts';
import { type Look, type SeenFile, stampOf } from './look.ts';
import { parseAside } from './parse-aside.ts';
import {
  type FilesProblem,
  MODEL_CONFIG,
  TOKENIZER,
  TOKENIZER_CONFIG,
  type TokenizerFiles,
} from './tokenizer-files.ts';

export type ReadFiles =
  | { readonly kind: 'files'; readonly files: TokenizerFiles }
  | { readonly kind: 'problem'; readonly problem: FilesProblem }
  /** They are not what was looked at any more. */
  | { readonly kind: 'changing' };

/** Hashing so much takes some 0.1 ms. */
const CHUNK_BYTES = 64 << 10;

/** Rejects with the reason of `signal` when that is aborted. */
export async function readSeen(
  model: string,
  look: Extract<Look, { kind: 'seen' }>,
  signal: AbortSignal,
): Promise<ReadFiles> {
  const { directory, files, hasMistralFile, hasMoreTemplates } = look;
  const whole = createHash('sha256').update(JSON.stringify([hasMistralFile, hasMoreTemplates]));
  const texts: Record<string, string> = {};
  for (const file of files) {
    const read = await readOne(file, signal);
    if (read.kind !== 'read') return read;
    whole.update(`${JSON.stringify(file.name)} ${read.hash}\n`);
    if (read.text !== undefined) texts[file.name] = read.text;
  }
  const parsed = await parseAside({ texts, hasMistralFile, hasMoreTemplates } satisfies FileTexts, signal);
  if (parsed.kind === 'invalid') {
    const path = join(directory, parsed.file);
    return { kind: 'problem', problem: { kind: 'invalid', path, reason: parsed.reason } };
  }
  const { chat, specialTokens } = parsed;
  const configs = { tokenizerConfig: texts[TOKENIZER_CONFIG], modelConfig: texts[MODEL_CONFIG] };
  const tokenizerJson = files.find(({ name }) => name === TOKENIZER)!.path;
  const fingerprint = whole.digest('hex');
  return {
    kind: 'files',
    files: { model, directory, tokenizerJson, ...configs, chat, specialTokens, fingerprint },
  };
}

type ReadOne =
  | { readonly kind: 'read'; readonly hash: string; readonly text: string | undefined }
  | Exclude<ReadFiles, { kind: 'files' }>;

async function readOne(file: SeenFile, signal: AbortSignal): Promise<ReadOne> {
  let handle: FileHandle | undefined;
  try {
    // What became a pipe meanwhile must not keep a thread, and what became a link must not lead anywhere.
    handle = await open(file.path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    if (stampOf(await handle.stat({ bigint: true })) !== file.stamp) return { kind: 'changing' };
    const hash = createHash('sha256');
    const chunks = await readAll(handle, file, hash, signal);
    if (stampOf(await handle.stat({ bigint: true })) !== file.stamp) return { kind: 'changing' };
    // The tokenizer alone is as long as that: whoever needs it reads it himself.
    if (file.name === TOKENIZER) return { kind: 'read', hash: hash.digest('hex'), text: undefined };
    return { kind: 'read', hash: hash.digest('hex'), text: decode(Buffer.concat(chunks)) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TypeError) {
      const reason = 'is not UTF-8';
      return { kind: 'problem', problem: { kind: 'invalid', path: file.path, reason } };
    }
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ELOOP') return { kind: 'changing' };
    return { kind: 'problem', problem: { kind: 'unreadable', path: file.path, reason: message } };
  } finally {
    await handle?.close();
  }
}

async function readAll(
  handle: FileHandle,
  { name, maxBytes }: SeenFile,
  hash: Hash,
  signal: AbortSignal,
): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  let length = 0;
  // A file that grows for ever ends at its bound; its stamp says then that it has changed.
  while (length <= maxBytes) {
    signal.throwIfAborted();
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, null);
    if (bytesRead === 0) break;
    length += bytesRead;
    hash.update(chunk.subarray(0, bytesRead));
    if (name !== TOKENIZER) chunks.push(chunk.subarray(0, bytesRead));
  }
  return chunks;
}

/** As Python does: an error where it is not UTF-8, and a byte order mark is a character. */
function decode(bytes: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}
