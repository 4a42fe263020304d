/** Writes src/extproc/messages/, the types of the ext_proc messages, from the vendored definitions: `npm run generate`. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXT_PROC_PROTO, LOAD_OPTIONS, PROTO_FOLDER } from '../src/extproc/protos.ts';

export const MESSAGES_FOLDER = fileURLToPath(new URL('../src/extproc/messages/', import.meta.url));
/** All that is used of these is generated; the annotations and options that the definitions import are not. */
const ROOTS = ['ProcessingRequest.ts', 'ProcessingResponse.ts'].map(
  file => `${dirname(EXT_PROC_PROTO)}/${file}`,
);

/** Every file there is to be: its path in the folder, and its text. */
export function messageFiles(): ReadonlyMap<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'messages-'));
  try {
    const { keepCase, longs, enums, oneofs } = LOAD_OPTIONS;
    execFileSync(process.execPath, [
      fileURLToPath(import.meta.resolve('@grpc/proto-loader/build/bin/proto-loader-gen-types.js')),
      ...(keepCase ? ['--keepCase'] : []),
      ...(oneofs ? ['--oneofs'] : []),
      ...[`--longs=${longs.name}`, `--enums=${enums.name}`, '--grpcLib=@grpc/grpc-js'],
      ...[`--includeDirs=${PROTO_FOLDER}`, `--outDir=${folder}`, '--importFileExtension=.ts', EXT_PROC_PROTO],
    ]);
    const files = new Map<string, string>();
    for (const root of ROOTS) addWithImports(folder, root, files);
    return files;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function addWithImports(folder: string, name: string, files: Map<string, string>): void {
  if (files.has(name)) return;
  // Where the definitions lie on the machine that generates is nobody else's business.
  const text = readFileSync(join(folder, name), 'utf8').replaceAll(PROTO_FOLDER, 'protos/');
  files.set(name, text);
  for (const [, specifier] of text.matchAll(/from '(\.[^']+)'/g))
    addWithImports(folder, relative(folder, resolve(folder, dirname(name), specifier!)), files);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(MESSAGES_FOLDER, { recursive: true, force: true });
  for (const [name, text] of messageFiles()) {
    mkdirSync(join(MESSAGES_FOLDER, dirname(name)), { recursive: true });
    writeFileSync(join(MESSAGES_FOLDER, name), text);
  }
}
