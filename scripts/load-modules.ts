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
// Packages that are loaded when they are first used.
await import('gpt-tokenizer/encoding/cl100k_base');
await import('pkijs');
await import('asn1js');
console.log(`${loaded} modules load`);
