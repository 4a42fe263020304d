/** The browser of the tests: Chromium from the system, driven by playwright-core. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export type FoundChromium =
  | { readonly kind: 'found'; readonly path: string }
  | { readonly kind: 'missing'; readonly why: string };

/** What `CHROMIUM` names, else what is on the path. */
export function findChromium(environment: NodeJS.ProcessEnv = process.env): FoundChromium {
  const { CHROMIUM, PATH = '' } = environment;
  const candidates = CHROMIUM
    ? [CHROMIUM]
    : PATH.split(delimiter).flatMap(folder => NAMES.map(name => join(folder, name)));
  const path = candidates.find(isExecutable);
  if (path !== undefined) return { kind: 'found', path };
  const why = CHROMIUM
    ? `CHROMIUM names ${CHROMIUM}, which is no program`
    : `none of ${NAMES.join(', ')} is on the path`;
  return { kind: 'missing', why };
}

/** Without its sandbox where it runs as root, as it wants it: it opens nothing but pages of our own. */
export function startChromium(path: string): Promise<Browser> {
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: path, args });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
