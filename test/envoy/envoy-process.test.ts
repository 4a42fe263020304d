import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { type EnvoyExit, EnvoyFailed, renderBootstrap, startEnvoy } from '../../demo/envoy.ts';
import { ENVOY_TEST_TIMEOUT_MS, envoyFile, envoyForTests } from '../support/envoy.ts';

const bootstrap = async () =>
  renderBootstrap(await readFile(envoyFile('warmroute.yaml'), 'utf8'), { routers: [], pods: [] });

describe('running Envoy', function () {
  this.timeout(ENVOY_TEST_TIMEOUT_MS);

  it('is live until it is stopped, once or twice', async () => {
    let exits = 0;
    const envoy = await startEnvoy({
      binary: await envoyForTests(),
      bootstrap: await bootstrap(),
      onExit: () => exits++,
    });
    assert.equal((await fetch(`${envoy.url}/healthz`)).status, 200);
    assert.equal((await envoy.stats('^server.live$')).get('server.live'), 1);
    assert.equal((await envoy.accessLogged(({ path }) => path === '/healthz')).status, 200);
    assert.lengthOf(envoy.accessLog(), 1);
    const never = envoy.accessLogged(({ path }) => path === '/never').catch((error: unknown) => error);
    await Promise.all([envoy.stop(), envoy.stop()]);
    assert.instanceOf(await never, EnvoyFailed);
    assert.throws(() => process.kill(envoy.pid, 0), 'ESRCH');
    assert.equal(exits, 0);
  });

  it('tells when it ends by itself', async () => {
    const { promise, resolve } = Promise.withResolvers<EnvoyExit>();
    const envoy = await startEnvoy({
      binary: await envoyForTests(),
      bootstrap: await bootstrap(),
      onExit: resolve,
    });
    process.kill(envoy.pid, 'SIGKILL');
    assert.deepEqual(await promise, { code: null, signal: 'SIGKILL' });
    await envoy.stop();
  });

  it('does not outlive its parent, even one that is killed', async () => {
    const script = `
      import { startEnvoy } from ${JSON.stringify(new URL('../../demo/envoy.ts', import.meta.url).href)};
      const envoy = await startEnvoy(${JSON.stringify({ binary: await envoyForTests(), bootstrap: await bootstrap() })});
      console.log(envoy.listenerPort);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [port] = await once(parent.stdout.setEncoding('utf8'), 'data');
    const connection = connect(Number(port), '127.0.0.1');
    await once(connection, 'connect');
    parent.kill('SIGKILL');
    await Promise.all([
      once(
        connection.resume().on('error', () => {}),
        'close',
      ),
      once(parent, 'close'),
    ]);
    assert.equal(parent.signalCode, 'SIGKILL');
  });

  it('says what Envoy wrote when it rejects its configuration', async () => {
    const broken = { ...(await bootstrap()), nonsense: 1 };
    const error = await startEnvoy({ binary: await envoyForTests(), bootstrap: broken }).catch(
      (error: unknown) => error,
    );
    assert.instanceOf(error, EnvoyFailed);
    assert.match(error.message, /^Envoy ended before it was ready: exit code 1/);
    assert.include(error.output, 'nonsense');
  });

  describe('with something else in its place', () => {
    let folder: string;
    let binary: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'not-envoy-'));
      binary = join(folder, 'envoy');
    });

    afterEach(() => rm(folder, { recursive: true }));

    const start = async (script: string, options: Partial<Parameters<typeof startEnvoy>[0]> = {}) => {
      await writeFile(binary, `#!/bin/sh\n${script}\n`);
      await chmod(binary, 0o755);
      const error = await startEnvoy({ binary, bootstrap: {}, ...options }).catch((error: unknown) => error);
      assert.instanceOf(error, EnvoyFailed);
      return error;
    };

    it('says that the binary is not there', async () => {
      const missing = join(folder, 'missing');
      const error = await startEnvoy({ binary: missing, bootstrap: {} }).catch((error: unknown) => error);
      assert.instanceOf(error, EnvoyFailed);
      assert.include(error.output, 'ENOENT');
    });

    it('keeps what was written to stdout and is no access log', async () => {
      const error = await start('echo some words; exit 7');
      assert.include(error.output, 'some words');
      assert.include(error.message, 'exit code 7');
    });

    it('says which signal ended it', async () => {
      assert.include((await start('kill -9 $$')).message, 'killed by SIGKILL');
    });

    it('gives up after its deadline, kills what ignores SIGTERM and removes its files', async () => {
      // The script's second argument is the bootstrap, in the folder of this run. It stands in for an Envoy whose admin
      // address is known and does not answer.
      let time = 0;
      let run = '';
      const error = await start(
        `trap '' TERM
        printf '127.0.0.1:1' >"$4"
        printf '%s' "$2" >"${folder}/written"; mv "${folder}/written" "${folder}/run"
        while :; do sleep 0.05; done`,
        {
          readyTimeoutMs: 1000,
          stopTimeoutMs: 1,
          now: () => time,
          sleep: async () => {
            // Time stands still until the script is there to ignore the signal.
            run = await readFile(join(folder, 'run'), 'utf8').catch(() => '');
            if (run !== '') time += 600;
          },
        },
      );
      assert.include(error.message, 'not ready after 1000 ms');
      assert.include(run, 'bootstrap.json');
      assert.isFalse(existsSync(run));
    });
  });
});
