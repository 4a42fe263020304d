/**
 * Removes from `node_modules`, in the container image's build, what this platform's router never loads: the native modules of other
 * platforms and C libraries, declarations, source maps, sources, and second copies for `require`. Licences stay.
 *
 * `node prune-modules.ts <folder of node_modules>`, with the node, and on the system, that will run the router.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, sep } from 'node:path';

/** Packages that are types, headers or build steps alone. */
const NEVER_LOADED = [
  '@types',
  'undici-types',
  'node-addon-api',
  'cmake-ts/src',
  'zeromq/src',
  'zeromq/script',
];
/** Of gpt-tokenizer the ES modules are used, of uPlot what a browser runs. */
const SECOND_COPIES = [
  ...['gpt-tokenizer/cjs', 'gpt-tokenizer/src', 'gpt-tokenizer/data'],
  ...['uplot/dist/uPlot.cjs.js', 'uplot/dist/uPlot.esm.js', 'uplot/dist/uPlot.iife.js'],
];
const NOT_RUN = /\.(d\.[cm]?ts|map|md|markdown|[cm]?ts|tsbuildinfo|flow|gyp|h|hpp|cc)$/;

const folder = process.argv[2];
if (folder === undefined) throw new Error('name the folder of node_modules');

const loaded = loadedAddons(join(folder, 'zeromq'));
if (loaded.length === 0) throw new Error('zeromq has loaded no native module');
for (const path of [...NEVER_LOADED, ...SECOND_COPIES]) {
  await rm(join(folder, ...path.split('/')), { recursive: true, force: true });
}
let bytes = 0;
for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  if (entry.name.endsWith('.node') ? loaded.includes(path) : !NOT_RUN.test(entry.name)) continue;
  bytes += (await stat(path)).size;
  await rm(path);
}
console.log(`removed ${Math.round(bytes / 1e6)} MB of files; kept ${loaded.join(', ')}`);

/** The native modules that the package loads here. */
function loadedAddons(path: string): string[] {
  createRequire(import.meta.url)(path);
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
  return sharedObjects.filter(each => each.endsWith('.node') && each.includes(`${sep}node_modules${sep}`));
}
