import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { assert } from 'chai';
import { LogOutput } from '../../../src/ops/log/log-output.ts';
import { eventually } from '../../support/eventually.ts';

const line = (i: number) => `${String(i).padStart(7, '0')}${'.'.repeat(92)}\n`;
const numbersOf = (written: string) =>
  written
    .split('\n')
    .slice(0, -1)
    .map(each => Number.parseInt(each, 10));

describe('the output of the log', function () {
  // Some are processes.
  this.timeout(20_000);

  let folder: string;
  let path: string;
  const fds: number[] = [];
  let output: LogOutput | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'log-output-'));
    path = join(folder, 'out');
  });
  afterEach(async () => {
    output?.close();
    output = undefined;
    for (const fd of fds.splice(0)) closeSync(fd);
    await rm(folder, { recursive: true });
  });

  function opened(flags: number): number {
    const fd = openSync(path, flags | constants.O_NONBLOCK);
    fds.push(fd);
    return fd;
  }

  /** What is in the pipe now. */
  function drained(fd: number): string {
    const bytes = Buffer.alloc(1 << 20);
    let length = 0;
    try {
      for (;;) length += readSync(fd, bytes, length, bytes.length - length, null);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
    return bytes.toString('utf8', 0, length);
  }

  describe('on a pipe', () => {
    const recovered: number[] = [];
    let reader: number;
    let writer: number;

    beforeEach(() => {
      recovered.length = 0;
      execFileSync('mkfifo', [path]);
      reader = opened(constants.O_RDONLY);
      writer = opened(constants.O_WRONLY);
      output = new LogOutput({
        ...{ fd: writer, maxQueuedBytes: 10_000 },
        onRecovered: dropped => recovered.push(dropped),
      });
    });

    it('keeps lines in order', async () => {
      for (let i = 0; i < 50; i++) output?.write(line(i));
      await output?.flush(10_000);
      assert.deepEqual(
        numbersOf(drained(reader)),
        Array.from({ length: 50 }, (_, i) => i),
      );
    });

    it('drops and counts what nobody reads, and says so when somebody does', async () => {
      let sent = 0;
      // Each turn takes what the pipe has room for.
      while (output!.dropped < 100) {
        for (let i = 0; i < 50; i++) output?.write(line(sent++));
        await new Promise(setImmediate);
      }
      const { dropped } = output!;
      assert.deepEqual(recovered, []);
      let read = '';
      await eventually('all is read', () => {
        read += drained(reader);
        return numbersOf(read).length === sent - dropped;
      });
      assert.deepEqual(
        numbersOf(read),
        Array.from({ length: sent - dropped }, (_, i) => i),
        'what was kept is whole and in order',
      );
      assert.deepEqual(recovered, [dropped]);
      output?.write(line(0));
      await output?.flush(10_000);
      assert.deepEqual(recovered, [dropped], 'once');
    });

    it('counts everything once its reader is gone, and throws nothing', async () => {
      output?.write(line(0));
      closeSync(fds.shift()!);
      output?.write(line(1));
      await output?.flush(10_000);
      output?.write(line(2));
      assert.equal(output?.dropped, 3);
    });

    it('does not wait longer than it should at the end', async () => {
      for (let i = 0; i < 2_000; i++) {
        output?.write(line(i));
        if (i % 50 === 0) await new Promise(setImmediate);
      }
      await output?.flush(1);
      output?.close();
      assert.isAbove(output?.dropped ?? 0, 0);
    });
  });

  it('drops and counts what a full disk does not take', async () => {
    path = '/dev/full';
    output = new LogOutput({ fd: opened(constants.O_WRONLY), maxQueuedBytes: 1_000, retryMs: 1 });
    for (let i = 0; i < 30; i++) output.write(line(i));
    await output.flush(20);
    assert.equal(output.dropped, 20);
    output.close();
    // A write may be under way.
    await eventually('all are counted', () => output?.dropped === 30);
  });

  describe('of a process', () => {
    const SCRIPT = `
      import { LogOutput } from ${JSON.stringify(new URL('../../../src/ops/log/log-output.ts', import.meta.url).href)};
      process.on('SIGXFSZ', () => {});
      const line = ${line.toString()};
      const output = new LogOutput({
        maxQueuedBytes: 100_000,
        retryMs: 5,
        onRecovered: dropped => { output.write(line(9_000_000 + dropped)); process.stderr.write('recovered'); },
      });`;

    function run(shell: string, script: string): ChildProcess {
      const args = ['--input-type=module', '--eval', SCRIPT + script];
      return spawn('sh', ['-c', shell, process.execPath, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, OUT: path },
      });
    }

    it('goes on when a file may grow again, and nothing is torn or lost uncounted', async () => {
      const child = run(
        'ulimit -f 400; exec "$0" "$@" >> "$OUT"',
        `let i = 0;
         const full = setInterval(() => {
           for (let n = 0; n < 100; n++) output.write(line(i++));
           if (output.dropped === 0) return;
           clearInterval(full);
           process.stderr.write('dropped ' + output.dropped + ' of ' + i);
           process.on('SIGUSR2', () => { output.write(line(8_000_000)); output.flush(10_000).then(() => process.exit(0)); });
         }, 1);
         setInterval(() => {}, 1_000);`,
      );
      let said = '';
      child.stderr?.setEncoding('utf8').on('data', (part: string) => {
        said += part;
      });
      const [, dropped, all] = await eventually(
        'lines are dropped',
        () => /dropped (\d+) of (\d+)/.exec(said) ?? undefined,
      );
      const before = await readFile(path, 'utf8');
      await truncate(path);
      await eventually('it writes again', () => said.includes('recovered'));
      child.kill('SIGUSR2');
      assert.deepEqual(await once(child, 'exit'), [0, null]);
      const kept = Number(all) - Number(dropped);
      assert.deepEqual(numbersOf(before + (await readFile(path, 'utf8'))), [
        ...Array.from({ length: kept }, (_, i) => i),
        9_000_000 + Number(dropped),
        8_000_000,
      ]);
    });

    for (const [what, shell] of [
      ['a file', 'exec "$0" "$@" > "$OUT"; cat "$OUT"'],
      ['a pipe', '"$0" "$@" | cat'],
      ['a pipe whose reader is slow', '"$0" "$@" | (sleep 0.1; cat)'],
    ] as const) {
      it(`has its last lines in ${what} before an uncaught error`, async () => {
        const command = shell.replace('exec "$0" "$@" > "$OUT"; cat', '"$0" "$@" > "$OUT"; cat');
        const child = run(
          command,
          `for (let i = 0; i < 900; i++) output.write(line(i));
           setImmediate(() => { output.write(line(900)); throw new Error('end'); });`,
        );
        child.stderr?.resume();
        const numbers = numbersOf(await text(child.stdout!));
        assert.deepEqual(
          numbers.sort((a, b) => a - b),
          Array.from({ length: 901 }, (_, i) => i),
        );
      });
    }

    it('ends with an unread pipe, at exit and on an uncaught error', async () => {
      for (const [end, code] of [
        ['process.exit(3)', 3],
        ['throw new Error("end")', 1],
      ] as const) {
        const child = spawn(
          process.execPath,
          [
            '--input-type=module',
            '--eval',
            `${SCRIPT} for (let i = 0; i < 9_000; i++) output.write(line(i)); setTimeout(() => { ${end} }, 50);`,
          ],
          { stdio: ['ignore', 'pipe', 'ignore'] },
        );
        assert.deepEqual(await once(child, 'exit'), [code, null]);
        child.stdout?.destroy();
      }
    });
  });
});
