/**
 * Loads every module of the built program, and by that every package that it uses: fails where one is missing.
 * `node load-modules.ts <folder of the built program>`
 */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
if (folder === undefined) throw new Error('name the folder of the built program');

let loaded = 0;
for (const path of await readdir(folder, { recursive: true })) {
  // The command line would start to run.
  if (!path.endsWith('.js') || path === 'main.js') continue;
  await import(pathToFileURL(resolve(join(folder, path))).href);
  loaded++;
}
// The one package that is loaded when it is first used.
await import('gpt-tokenizer/encoding/cl100k_base');
console.log(`${loaded} modules load`);
