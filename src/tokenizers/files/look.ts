/** What is in a directory of tokenizer files, without reading any: cheap enough to be done again and again. */
import type { BigIntStats } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type FilesProblem, MAX_BYTES, MISTRAL_FILE, MORE_TEMPLATES, TOKENIZER } from './tokenizer-files.ts';

export interface SeenFile {
  /** Relative to the directory. */
  readonly name: string;
  /** Without links. */
  readonly path: string;
  readonly maxBytes: number;
  /** Another one after every change of the file. */
  readonly stamp: string;
}

/** All of it is JSON: two that are equal are of the same files. */
export type Look =
  | {
      readonly kind: 'seen';
      readonly directory: string;
      readonly files: readonly SeenFile[];
      /** A file of Mistral's own tokenizer is there. */
      readonly hasMistralFile: boolean;
      /** There are chat templates in files of their own, whatever they are for. */
      readonly hasMoreTemplates: boolean;
    }
  | { readonly kind: 'problem'; readonly problem: FilesProblem }
  /** It is not known yet where to look. */
  | { readonly kind: 'waiting' };

/** A model's repository has some hundred files at most. */
const MAX_ENTRIES = 4_096;

/** @param root what the directory, and files behind links, must not lead out of. Rejects with the system's errors that nobody expects. */
export async function lookAt(directory: string, root: string): Promise<Look> {
  try {
    return await look(directory, root);
  } catch (error) {
    if (error instanceof Refused) return { kind: 'problem', problem: error.problem };
    const { code, path, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    // A file that goes while it is looked at makes another look.
    if ((code === 'ENOENT' || code === 'ENOTDIR') && !(await isThere(directory)))
      return { kind: 'problem', problem: { kind: 'no_directory', directory } };
    return { kind: 'problem', problem: { kind: 'unreadable', path: path ?? directory, reason: message } };
  }
}

async function look(directory: string, root: string): Promise<Look> {
  const [realRoot, real] = await Promise.all([realpath(root), realpath(directory)]);
  requireInside(realRoot, real, directory);
  const names = await namesIn(real, directory);
  const templates = names.has(MORE_TEMPLATES) ? await moreTemplatesIn(realRoot, real, directory) : [];
  const wanted = [...names, ...templates.map(name => `${MORE_TEMPLATES}/${name}`)].filter(name =>
    Object.hasOwn(MAX_BYTES, name),
  );
  if (!wanted.includes(TOKENIZER)) throw new Refused({ kind: 'missing_file', directory, file: TOKENIZER });
  const files = await Promise.all(wanted.sort().map(name => seen(realRoot, real, directory, name)));
  return {
    kind: 'seen',
    directory: real,
    files,
    hasMistralFile: [...names].some(name => MISTRAL_FILE.test(name)),
    hasMoreTemplates: templates.length > 0,
  };
}

async function seen(realRoot: string, real: string, directory: string, name: string): Promise<SeenFile> {
  const shown = join(directory, name);
  const path = await realpath(join(real, name));
  requireInside(realRoot, path, shown);
  const stats = await stat(path, { bigint: true });
  if (!stats.isFile()) throw new Refused({ kind: 'not_regular', path: shown });
  const maxBytes = MAX_BYTES[name]!;
  if (stats.size > maxBytes) throw new Refused({ kind: 'too_long', path: shown, maxBytes });
  return { name, path, maxBytes, stamp: stampOf(stats) };
}

export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

async function moreTemplatesIn(realRoot: string, real: string, directory: string): Promise<string[]> {
  const shown = join(directory, MORE_TEMPLATES);
  const folder = await realpath(join(real, MORE_TEMPLATES));
  requireInside(realRoot, folder, shown);
  if (!(await stat(folder)).isDirectory()) return [];
  return [...(await namesIn(folder, shown))].filter(name => name.endsWith('.jinja'));
}

async function namesIn(real: string, directory: string): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of await opendir(real)) {
    if (names.size >= MAX_ENTRIES)
      throw new Refused({ kind: 'too_many_files', directory, most: MAX_ENTRIES });
    names.add(name);
  }
  return names;
}

function requireInside(realRoot: string, real: string, path: string): void {
  const inside = realRoot.endsWith(sep) ? realRoot : realRoot + sep;
  if (real !== realRoot && !real.startsWith(inside))
    throw new Refused({ kind: 'leads_out', path, root: realRoot });
}

async function isThere(directory: string): Promise<boolean> {
  return stat(directory).then(
    stats => stats.isDirectory(),
    () => false,
  );
}

class Refused extends Error {
  readonly problem: FilesProblem;
  constructor(problem: FilesProblem) {
    super(problem.kind);
    this.problem = problem;
  }
}
