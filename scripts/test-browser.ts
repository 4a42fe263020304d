/**
 * The console in a real browser: Chromium, which is looked for where `CHROMIUM` says, else on the path. `npm run test:browser`; without it
 * nothing is tested, which is said and is no failure.
 */
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import { findChromium } from '../test/browser/world/chromium.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const found = findChromium();
if (found.kind === 'missing') {
  console.log(`SKIPPED: the tests with a browser: ${found.why}`);
} else {
  process.env.CHROMIUM = found.path;
  const mocha = new Mocha({ forbidOnly: true, checkLeaks: true, timeout: 30_000 });
  for (const file of globSync('test/browser/*.browser.ts', { cwd: root }).sort()) mocha.addFile(root + file);
  await mocha.loadFilesAsync();
  const { passes, failures } = await new Promise<Mocha.Stats>(resolve => {
    const runner = mocha.run(() => resolve(runner.stats!));
  });
  console.log(`${passes} passed, ${failures} failed`);
  process.exitCode = failures === 0 ? 0 : 1;
}
