import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import { aPod } from './support/builders.ts';
import { runCli } from './support/cli.ts';
import { startProgramProcess } from './support/program.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

describe('The version', function () {
  this.timeout(20_000);

  it('is what --version prints', async () => {
    const { code, stdout } = await runCli(['--version']);
    assert.deepEqual([code, stdout], [0, version]);
  });

  it('is in the start log, on /version and in the metrics', async () => {
    const program = await startProgramProcess({ pods: [aPod()] });
    try {
      const ready = program.logLines.find(({ message }) => message === 'ready');
      assert.equal(ready?.fields.version, version);
      const page = await fetch(`http://127.0.0.1:${program.adminPort}/version`);
      assert.deepEqual(await page.json(), { version });
      assert.equal((await program.metrics())('warmroute_build_info', { version }), 1);
    } finally {
      await program.stop();
    }
  });
});
