import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';
import { SETTINGS, type Setting, WITHOUT_EFFECT } from '../src/settings/settings.ts';
import { type RunningCli, runCli, startCli } from './support/cli.ts';

const FREE_PORTS = { WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0', WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:0' };

describe('warmroute', function () {
  // Each is a process that reads some hundred files.
  this.timeout(30_000);

  let folder: string;
  let podsFile: string;
  let running: RunningCli[] = [];

  function start(...given: Parameters<typeof startCli>): RunningCli {
    const cli = startCli(...given);
    running.push(cli);
    return cli;
  }

  async function podsFileWith(text: string): Promise<string> {
    const path = join(folder, 'other.yaml');
    await writeFile(path, text);
    return path;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-main-'));
    podsFile = join(folder, 'pods.yaml');
    await writeFile(podsFile, 'pods: [{ name: engine-0, address: 127.0.0.1, port: 1, model: demo }]');
  });
  afterEach(async () => {
    // Does nothing to those that have ended; a test that failed must not leave a process behind.
    for (const cli of running) cli.kill('SIGKILL');
    await Promise.all(running.map(cli => cli.ended));
    running = [];
  });
  after(() => rm(folder, { recursive: true }));

  describe('--help', () => {
    it('names the commands', async () => {
      const { code, stdout } = await runCli(['--help']);
      assert.equal(code, 0);
      for (const command of ['serve', 'check-config', 'engine'])
        assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
    });

    for (const command of ['serve', 'check-config']) {
      it(`of ${command} names every setting with its default, and those without effect`, async () => {
        const { code, stdout } = await runCli([command, '--help']);
        assert.equal(code, 0);
        const text = stdout.replaceAll(/\s+/g, ' ');
        for (const { names, fallback, unit, purpose } of Object.values<Setting<unknown>>(SETTINGS)) {
          assert.include(text, ` ${names.join(', ')} ${purpose} (${unit}; default ${fallback || 'none'})`);
        }
        for (const { name } of WITHOUT_EFFECT) assert.include(text, ` ${name}: `);
      });
    }

    it('of engine names every option', async () => {
      const { code, stdout } = await runCli(['engine', '--help']);
      assert.equal(code, 0);
      const options = Array.from(stdout.matchAll(/^ {2}--([\w-]+)/gm), ([, name]) => name!);
      assert.includeMembers(options, [
        ...['name', 'host', 'port', 'events-port', 'replay-port', 'model', 'adapters', 'block-size'],
        ...['cache-blocks', 'max-model-len', 'events', 'topic', 'render', 'prefill-rate', 'decode-rate'],
      ]);
    });

    it('is shown, with exit code 1, when no command is given; an unknown one is an error', async () => {
      const [none, unknown] = await Promise.all([runCli([]), runCli(['route'])]);
      assert.equal(none.code, 1);
      assert.include(none.stderr, 'Usage: warmroute');
      assert.equal(unknown.code, 1);
      assert.include(unknown.stderr, "unknown command 'route'");
    });
  });

  describe('check-config', () => {
    it('prints every setting as it is in force, its source and the mode', async () => {
      const { code, stdout, stderr } = await runCli(['check-config'], {
        WARMROUTE_PODS_FILE: podsFile,
        WARMROUTE_DRAIN_MS: '250',
        AIBRIX_USE_REMOTE_TOKENIZER: 'true',
      });
      assert.equal(stderr, '');
      assert.equal(code, 0);
      assert.include(stdout, `${podsFile}  (environment)`);
      assert.match(stdout, /^WARMROUTE_DRAIN_MS +250 {2}\(environment\)$/m);
      assert.match(stdout, /^WARMROUTE_LOG_LEVEL +info {2}\(default\)$/m);
      assert.match(stdout, /^AIBRIX_PREFIX_CACHE_HASH_SEED +- {2}\(unset\)$/m);
      assert.match(stdout, /^mode +remote$/m);
      assert.lengthOf(stdout.split('\n'), Object.keys(SETTINGS).length + 1);
    });

    it('prints every mistake, in settings and pods file, and nothing else', async () => {
      const { code, stdout, stderr } = await runCli(['check-config'], {
        WARMROUTE_DRAIN_MS: 'long',
        ROUTING_ALGORITHM: 'best',
        AIBRIX_KV_EVENT_SYNC_ENABLED: 'true',
        WARMROUTE_PODS_FILE: await podsFileWith('pods: [{ name: a, port: 1, model: m }]'),
      });
      assert.equal(code, 1);
      assert.equal(stdout, '');
      for (const part of [
        'WARMROUTE_DRAIN_MS=long',
        'ROUTING_ALGORITHM=best',
        'AIBRIX_USE_REMOTE_TOKENIZER',
        'pods[0].address: is required',
      ])
        assert.include(stderr, part);
      assert.lengthOf(stderr.match(/^warmroute: /gm) ?? [], 4);
    });

    it('finds a setting that is missing, and one that does not exist', async () => {
      const { code, stderr } = await runCli(['check-config'], {
        WARMROUTE_DRIAN_MS: '7',
        // Kubernetes' own, for a Service called warmroute.
        WARMROUTE_SERVICE_HOST: '10.0.0.1',
        WARMROUTE_PORT_50052_TCP_ADDR: '10.0.0.1',
      });
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^warmroute: WARMROUTE_DRIAN_MS: there is no such setting\nwarmroute: WARMROUTE_PODS_FILE is not set: .*\n$/,
      );
    });

    it('warns of an address that no engine can have, which is no mistake', async () => {
      const path = await podsFileWith('pods: [{ name: a, address: 169.254.169.254, port: 1, model: m }]');
      const { code, stderr } = await runCli(['check-config'], { WARMROUTE_PODS_FILE: path });
      assert.equal(code, 0);
      assert.equal(stderr, 'warmroute: no engine can be there: a at 169.254.169.254 (a metadata service)\n');
    });

    it('finds a mistake in the files of TLS, and none where they are right', async () => {
      const tls = (name: string) => fileURLToPath(new URL(`fixtures/tls/${name}`, import.meta.url));
      const environment = (key: string) => ({
        WARMROUTE_PODS_FILE: podsFile,
        WARMROUTE_TLS: 'files',
        WARMROUTE_TLS_CERT_FILE: tls('engine.pem'),
        WARMROUTE_TLS_KEY_FILE: tls(key),
      });
      const wrong = await runCli(['check-config'], environment('ca.pem'));
      assert.equal(wrong.code, 1);
      assert.match(wrong.stderr, /^warmroute: WARMROUTE_TLS_KEY_FILE: there is no PEM private key .*\n$/);
      const right = await runCli(['check-config'], environment('engine.key.pem'));
      assert.deepInclude(right, { code: 0, stderr: '' });
    });

    it('finds a mistake in the pods file alone', async () => {
      const { code, stderr } = await runCli(['check-config'], {
        WARMROUTE_PODS_FILE: join(folder, 'none.yaml'),
      });
      assert.equal(code, 1);
      assert.match(stderr, /^warmroute: the pods file .*none\.yaml cannot be read: ENOENT.*\n$/);
    });
  });

  describe('serve', () => {
    const refusals: [string, () => Promise<Record<string, string>>, RegExp][] = [
      ['without a pods file', async () => ({}), /^warmroute: WARMROUTE_PODS_FILE is not set: .*\n$/],
      [
        'with a pods file that is not there',
        async () => ({ WARMROUTE_PODS_FILE: join(folder, 'none.yaml') }),
        /^warmroute: the pods file .*none\.yaml cannot be read: ENOENT.*\n.*\n$/,
      ],
      [
        'with a pods file that is wrong',
        async () => ({ WARMROUTE_PODS_FILE: await podsFileWith('pods: [{}]') }),
        /^warmroute: the pods file .*other\.yaml is not valid:\n( {2}pods\[0\]\.\w+: is required\n){4}.*\n$/,
      ],
      [
        'with a setting that is wrong',
        async () => ({ WARMROUTE_PODS_FILE: podsFile, WARMROUTE_LOG_LEVEL: 'loud' }),
        /^warmroute: WARMROUTE_LOG_LEVEL=loud: must be one of debug, info, warn, error\n$/,
      ],
    ];
    for (const [name, environment, message] of refusals) {
      it(`${name} ends with exit code 1 and one clear message`, async () => {
        const { code, stdout, stderr } = await start(['serve'], { ...FREE_PORTS, ...(await environment()) })
          .ended;
        assert.equal(code, 1);
        assert.match(stderr, message);
        assert.equal(stdout, '');
      });
    }

    it('names the ports it took in its ready line, answers there, and ends with 0 on SIGTERM', async () => {
      const cli = start(['serve'], { ...FREE_PORTS, WARMROUTE_PODS_FILE: podsFile, WARMROUTE_DRAIN_MS: '0' });
      const ready = JSON.parse(await cli.line('"ready"'));
      assert.equal(ready.mode, 'local');
      assert.isAbove(ready.grpcPort, 0);
      const response = await fetch(`http://127.0.0.1:${ready.adminPort}/readyz`);
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), { ready: true, why: 'ok' });
      cli.kill('SIGTERM');
      const { code, stdout, stderr } = await cli.ended;
      assert.equal(stderr, '');
      assert.equal(code, 0);
      const messages = stdout.split('\n').map(line => JSON.parse(line).msg);
      assert.deepEqual(messages.slice(-2), ['draining', 'stopped']);
    });

    it('says once which settings of AIBrix change nothing here, and why, without their values', async () => {
      const cli = start(['serve'], {
        ...{ ...FREE_PORTS, WARMROUTE_PODS_FILE: podsFile, WARMROUTE_DRAIN_MS: '0' },
        ...{ REDIS_HOST: 'redis', REDIS_PASSWORD: 'hunter2', AIBRIX_TOKENIZER_TTL: '300s' },
        AIBRIX_PREFIX_CASHE_BLOCK_SIZE: '128',
      });
      await cli.line('"ready"');
      cli.kill('SIGTERM');
      const { stdout } = await cli.ended;
      const lines = stdout
        .trim()
        .split('\n')
        .map(line => JSON.parse(line));
      const named = lines.filter(({ msg }) => msg === 'settings of AIBrix that change nothing here');
      assert.lengthOf(named, 1);
      assert.deepEqual((named[0].variables as string[]).map(text => text.split(':')[0]!).sort(), [
        'AIBRIX_TOKENIZER_TTL',
        'REDIS_HOST',
        'REDIS_PASSWORD',
      ]);
      assert.include(named[0].variables, 'AIBRIX_TOKENIZER_TTL: a tokenizer leaves with its pod');
      assert.deepInclude(
        lines.filter(({ name }) => name === 'AIBRIX_PREFIX_CASHE_BLOCK_SIZE').map(({ msg }) => msg),
        'there is no such setting: is it misspelt?',
      );
      assert.notInclude(stdout, 'hunter2');
    });

    it('is not ready while it drains, and a second signal ends it at once', async () => {
      const cli = start(['serve'], {
        ...FREE_PORTS,
        WARMROUTE_PODS_FILE: podsFile,
        WARMROUTE_DRAIN_MS: '600000',
      });
      const { adminPort } = JSON.parse(await cli.line('"ready"'));
      cli.kill('SIGTERM');
      await cli.line('"draining"');
      const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
      assert.equal(response.status, 503);
      assert.deepEqual(await response.json(), { ready: false, why: 'stopping' });
      cli.kill('SIGINT');
      assert.equal((await cli.ended).signal, 'SIGINT');
    });
  });

  describe('engine', () => {
    it('says where it is, answers there, and ends with 0 on SIGTERM', async () => {
      const cli = start(['engine', '--name', 'e1', '--model', 'demo', '--adapters', 'lora-a,lora-b']);
      const ready = JSON.parse(await cli.line('engine ready'));
      assert.equal(ready.name, 'e1');
      assert.isAbove(ready.eventsPort, 0);
      assert.isAbove(ready.replayPort, 0);
      const models = (await (await fetch(`${ready.url}/v1/models`)).json()) as { data: { id: string }[] };
      assert.sameMembers(
        models.data.map(({ id }) => id),
        ['demo', 'lora-a', 'lora-b'],
      );
      cli.kill('SIGTERM');
      const { code, stderr } = await cli.ended;
      assert.equal(stderr, '');
      assert.equal(code, 0);
    });

    it('goes without replay when told so', async () => {
      const cli = start(['engine', '--replay-port', 'off', '--render', 'off', '--events', 'array']);
      assert.notProperty(JSON.parse(await cli.line('engine ready')), 'replayPort');
      cli.kill('SIGINT');
      assert.equal((await cli.ended).code, 0);
    });

    const mistakes: [string[], string][] = [
      [['--port', 'http'], "option '--port <port>' argument 'http' is invalid. must be a whole number."],
      [['--events', 'json'], "argument 'json' is invalid. Allowed choices are map, array."],
      [['--block-size', '0'], 'blockSizeTokens must be at least 1'],
    ];
    for (const [args, message] of mistakes) {
      it(`refuses ${args.join(' ')} in one line`, async () => {
        const { code, stderr } = await start(['engine', ...args]).ended;
        assert.equal(code, 1);
        assert.include(stderr, message);
        assert.lengthOf(stderr.trim().split('\n'), 1);
      });
    }
  });

  describe('on a port that is taken', () => {
    let other: Server;
    let taken: string;

    before(async () => {
      other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      taken = String((other.address() as AddressInfo).port);
    });
    after(async () => {
      other.close();
      await once(other, 'close');
    });

    for (const name of ['WARMROUTE_GRPC_ADDRESS', 'WARMROUTE_ADMIN_ADDRESS']) {
      it(`serve says in one line that ${name} cannot be had`, async () => {
        const { code, stderr } = await start(['serve'], {
          ...FREE_PORTS,
          WARMROUTE_PODS_FILE: podsFile,
          [name]: `127.0.0.1:${taken}`,
        }).ended;
        assert.equal(code, 1);
        const ours = stderr.split('\n').filter(line => line.startsWith('warmroute: '));
        assert.lengthOf(ours, 1);
        assert.include(ours[0], `cannot listen on ${name}: `);
        assert.include(ours[0], `EADDRINUSE: address already in use 127.0.0.1:${taken}`);
        assert.notInclude(stderr, '    at ');
      });
    }

    for (const option of ['--port', '--events-port', '--replay-port']) {
      it(`engine says in one line that ${option} cannot be had`, async () => {
        const { code, stderr } = await start(['engine', option, taken]).ended;
        assert.equal(code, 1);
        assert.match(stderr, /^warmroute: .*address already in use.*\n$/i);
      });
    }
  });
});
