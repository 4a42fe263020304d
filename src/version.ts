import { readFileSync } from 'node:fs';

interface Package {
  readonly version: string;
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Package;

/** Of this program, as its package says: `1.2.3`. */
export const VERSION = version;
