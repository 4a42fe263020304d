/** The program where the machine fails: nobody reads what it says, disks are full, files hang, and it is told to end. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';
import { closedAddress } from './support/envoy-upstream.ts';
import { eventually } from './support/eventually.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const END_PROCESS = new URL('../src/commands/end-process.ts', import.meta.url).href;

/** How to run a program as PID 1 of its own namespace; undefined where the system does not let us. */
const asPid1 = [
  ['unshare', '--pid', '--fork', '--kill-child'],
  ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child'],
].find(([command, ...args]) => spawnSync(command!, [...args, 'true']).status === 0);

describe('warmroute, when the machine fails,', function () {
  // Each is a process that reads some hundred files.
  this.timeout(30_000);

  let folder: string;
  let podsFile: string;
  let adminAddress: string;
  let children: ChildProcess[] = [];
  const fds: number[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-faults-'));
    podsFile = join(folder, 'pods.json');
    await writeFile(podsFile, '{"pods":[{"name":"a","address":"127.0.0.1","port":1,"model":"m"}]}');
    adminAddress = await closedAddress();
  });
  afterEach(async () => {
    for (const child of children)
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    children = [];
    for (const fd of fds.splice(0)) closeSync(fd);
    await rm(folder, { recursive: true });
  });

  type Out = 'ignore' | 'pipe' | number;

  function start(
    command: readonly string[],
    { stdout = 'ignore', stderr = 'ignore', environment = {} }: StartOptions = {},
  ): { child: ChildProcess; ended: Promise<unknown[]> } {
    const child = spawn(command[0]!, command.slice(1), {
      env: {
        ...{ PATH: process.env.PATH, NODE_V8_COVERAGE: process.env.NODE_V8_COVERAGE },
        ...{ WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0', WARMROUTE_ADMIN_ADDRESS: adminAddress },
        ...{ WARMROUTE_DRAIN_MS: '0', WARMROUTE_PODS_FILE: podsFile, ...environment },
      },
      stdio: ['ignore', stdout, stderr],
    });
    children.push(child);
    return { child, ended: once(child, 'exit') };
  }
  interface StartOptions {
    readonly stdout?: Out;
    readonly stderr?: Out;
    readonly environment?: Readonly<Record<string, string>>;
  }
  const serve = (options?: StartOptions) => start([process.execPath, MAIN, 'serve'], options);

  function opened(path: string, flags: number): number {
    const fd = openSync(path, flags);
    fds.push(fd);
    return fd;
  }

  /** The end of a pipe that is full, as the program gets it from a shell; nobody reads it. */
  function fullPipe(): number {
    const path = join(folder, 'full');
    execFileSync('mkfifo', [path]);
    opened(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const filling = opened(path, constants.O_WRONLY | constants.O_NONBLOCK);
    assert.throws(() => {
      for (;;) writeSync(filling, Buffer.alloc(4_096));
    }, 'EAGAIN');
    return opened(path, constants.O_WRONLY);
  }

  /** The end of a pipe whose reader is gone. */
  function closedPipe(): number {
    const path = join(folder, 'closed');
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = opened(path, constants.O_WRONLY);
    closeSync(reader);
    return writer;
  }

  async function metrics(): Promise<string> {
    const response = await fetch(`http://${adminAddress}/metrics`);
    return await response.text();
  }
  const isReady = () =>
    eventually('it is ready', async () => {
      const response = await fetch(`http://${adminAddress}/readyz`).catch(() => undefined);
      return response?.status === 200;
    });

  const outputs: [string, () => number, RegExp][] = [
    ['a pipe that nobody reads', fullPipe, /^warmroute_log_lines_dropped_total 0$/m],
    ['a pipe whose reader is gone', closedPipe, /^warmroute_log_lines_dropped_total [1-9]/m],
    ['a full disk', () => opened('/dev/full', constants.O_WRONLY), /^warmroute_log_lines_dropped_total 0$/m],
  ];
  for (const [name, open, dropped] of outputs) {
    it(`serves with ${name} for standard output, counts what it drops, and ends with 0`, async () => {
      const { child, ended } = serve({ stdout: open() });
      await isReady();
      assert.match(await metrics(), dropped);
      child.kill('SIGTERM');
      assert.deepEqual(await ended, [0, null]);
    });

    it(`ends with 1 if it cannot start, with ${name} for all output`, async () => {
      const fd = open();
      const { ended } = serve({ stdout: fd, stderr: fd, environment: { WARMROUTE_PODS_FILE: '/none' } });
      assert.deepEqual(await ended, [1, null]);
    });
  }

  it('writes no more than a file may have, and serves on', async () => {
    const command = [
      'sh',
      '-c',
      `ulimit -f 0; exec "$0" "$@" > ${join(folder, 'log')}`,
      process.execPath,
      MAIN,
      'serve',
    ];
    const { child, ended } = start(command, { environment: { NODE_V8_COVERAGE: '' } });
    await isReady();
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
  });

  describe('told to end', () => {
    /** A pods file that the program waits for. */
    async function waitsForPods(): Promise<void> {
      await eventually('it reads the pods file', () => {
        try {
          // Without a reader there is nobody to write to.
          return opened(podsFile, constants.O_WRONLY | constants.O_NONBLOCK) > 0;
        } catch {
          return false;
        }
      });
    }

    beforeEach(async () => {
      await rm(podsFile);
      execFileSync('mkfifo', [podsFile]);
    });

    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      it(`ends its start at ${signal}, with 0`, async () => {
        const { child, ended } = serve({ stdout: 'pipe' });
        const written = text(child.stdout!);
        await waitsForPods();
        child.kill(signal);
        assert.deepEqual(await ended, [0, null]);
        assert.include(await written, 'stopped before it was ready');
      });
    }

    it('ends a check of the configuration, which then has not passed', async () => {
      const { child, ended } = start([process.execPath, MAIN, 'check-config'], { stderr: 'pipe' });
      const written = text(child.stderr!);
      await waitsForPods();
      child.kill('SIGTERM');
      assert.deepEqual(await ended, [1, null]);
      assert.equal(await written, 'warmroute: ended by SIGTERM before it was done\n');
    });

    describe('as PID 1', () => {
      before(function () {
        if (asPid1 !== undefined) return;
        console.warn('      not tested: this system does not let us make a PID namespace');
        this.skip();
      });

      /** The PID, for us, of what runs as PID 1. */
      const innerPid = ({ pid }: ChildProcess) =>
        eventually('it runs', () => {
          const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
          return children === '' ? undefined : Number(children);
        });

      it('ends its start at SIGTERM, with 0', async () => {
        const { child, ended } = start([...asPid1!, process.execPath, MAIN, 'serve']);
        const pid = await innerPid(child);
        await waitsForPods();
        process.kill(pid, 'SIGTERM');
        assert.deepEqual(await ended, [0, null]);
      });

      it('ends at once at a second signal, while it drains', async () => {
        await rm(podsFile);
        await writeFile(podsFile, '{"pods":[]}');
        const { child, ended } = start([...asPid1!, process.execPath, MAIN, 'serve'], {
          environment: { WARMROUTE_DRAIN_MS: '600000' },
        });
        const pid = await innerPid(child);
        const drains = async () => {
          const response = await fetch(`http://${adminAddress}/readyz`).catch(() => undefined);
          return ((await response?.text()) ?? '').includes('stopping');
        };
        await eventually(
          'it serves',
          async () => (await fetch(`http://${adminAddress}/healthz`).catch(() => {}))?.ok,
        );
        process.kill(pid, 'SIGTERM');
        await eventually('it drains', drains);
        process.kill(pid, 'SIGINT');
        assert.deepEqual(await ended, [130, null]);
      });

      it('ends with a thread that is stuck', async () => {
        assert.deepEqual(await start([...asPid1!, ...stuck()]).ended, [7, null]);
      });
    });

    /** A program that ends itself with 7 while a thread waits for a pipe that nobody writes to. */
    function stuck(): string[] {
      const script = `
        import { open } from 'node:fs';
        import { setTimeout } from 'node:timers/promises';
        import { endNow } from ${JSON.stringify(END_PROCESS)};
        open(${JSON.stringify(podsFile)}, 'r', () => {});
        await setTimeout(50);
        endNow(7);`;
      return [process.execPath, '--input-type=module', '--eval', script];
    }

    it('ends with a thread that is stuck', async () => {
      assert.deepEqual(await start(stuck()).ended, [7, null]);
    });

    it('ends by itself soon, whatever is left', async () => {
      const script = `
        import { endSoon } from ${JSON.stringify(END_PROCESS)};
        setInterval(() => {}, 1_000_000);
        endSoon(5);`;
      const { ended } = start([process.execPath, '--input-type=module', '--eval', script]);
      assert.deepEqual(await ended, [5, null]);
    });
  });
});
