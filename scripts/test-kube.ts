/**
 * Warmroute in a real cluster: kube-apiserver and etcd, which are looked for where `KUBE_BIN` says, else in
 * `~/.cache/kube-test/bin`. `npm run test:kube`; without them nothing is tested, which is said and is no failure. `-- --long`: with the tests
 * that take minutes.
 */
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Mocha from 'mocha';
import { findKubeBinaries } from '../test/kube/world/binaries.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const { values: flags } = parseArgs({ options: { long: { type: 'boolean', default: false } } });
if (flags.long) process.env.KUBE_LONG = '1';

const binaries = findKubeBinaries();
if (binaries.kind === 'missing') {
  console.log(`SKIPPED: the tests with a real Kubernetes API server: ${binaries.why}`);
} else {
  const mocha = new Mocha({ forbidOnly: true, checkLeaks: true, timeout: 60_000 });
  for (const file of globSync('test/kube/*.kube.ts', { cwd: root }).sort()) mocha.addFile(root + file);
  await mocha.loadFilesAsync();
  const { passes, failures, pending } = await new Promise<Mocha.Stats>(resolve => {
    const runner = mocha.run(() => resolve(runner.stats!));
  });
  const left = flags.long ? '' : ' (some of which --long runs)';
  console.log(`${passes} passed, ${failures} failed, ${pending} skipped${pending > 0 ? left : ''}`);
  process.exitCode = failures === 0 ? 0 : 1;
}
