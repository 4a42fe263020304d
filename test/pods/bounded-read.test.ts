import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { BoundedReader } from '../../src/pods/bounded-read.ts';
import { eventually } from '../support/eventually.ts';

describe('a bounded read', () => {
  const { signal: never } = new AbortController();
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bounded-read-'));
    path = join(folder, 'file');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const reader = (maxBytes = 1_000, timeoutMs = 1_000_000) => new BoundedReader({ maxBytes, timeoutMs });

  it('gives the text of a file, also of one that is empty', async () => {
    await writeFile(path, 'pods: ü\n');
    assert.deepEqual(await reader().read(path, never), { kind: 'text', text: 'pods: ü\n' });
    await writeFile(path, '');
    assert.deepEqual(await reader().read(path, never), { kind: 'text', text: '' });
  });

  it('takes as many bytes as it may, and no more', async () => {
    await writeFile(path, 'x'.repeat(1_000));
    assert.equal((await reader().read(path, never)).kind, 'text');
    await appendFile(path, 'x');
    assert.deepEqual(await reader().read(path, never), {
      kind: 'unreadable',
      code: 'EFBIG',
      reason: 'it is longer than 1000 bytes',
    });
  });

  it('does not trust a length: there are files of none that have no end', async () => {
    assert.deepInclude(await reader(100_000).read('/dev/zero', never), { code: 'EFBIG' });
  });

  it('tells what the system says', async () => {
    assert.deepInclude(await reader().read(path, never), { kind: 'unreadable', code: 'ENOENT' });
    assert.deepInclude(await reader().read(folder, never), { kind: 'unreadable', code: 'EISDIR' });
  });

  describe('of a pipe', () => {
    beforeEach(() => execFileSync('mkfifo', [path]));

    it('that nobody writes to is given up', async () => {
      const content = await reader(1_000, 30).read(path, never);
      assert.deepInclude(content, { kind: 'unreadable', code: 'ETIMEDOUT' });
      await eventually('no thread waits for it', () => {
        return !process.getActiveResourcesInfo().some(kind => kind.startsWith('FSReq'));
      });
      assert.match(JSON.stringify(content), /nothing came within 30 ms: is it a pipe that nobody writes to/);
    });

    it('waits for its writer, and for all that this has to say', async () => {
      const reading = reader().read(path, never);
      const writer = await open(path, 'w');
      await writer.write('pods:');
      await new Promise(setImmediate);
      await writer.write(' []');
      await writer.close();
      assert.deepEqual(await reading, { kind: 'text', text: 'pods: []' });
    });

    it('ends when it is told to', async () => {
      const stopping = new AbortController();
      const reading = reader().read(path, stopping.signal);
      stopping.abort('stop');
      assert.equal(await reading.catch(caught => caught), 'stop');
      assert.equal(
        await reader()
          .read(path, stopping.signal)
          .catch(caught => caught),
        'stop',
      );
    });
  });

  it('has no more than two threads that are lost to a dead mount', async () => {
    const opened: ((error: Error) => void)[] = [];
    const dead = () => new Promise<never>((_, reject) => opened.push(reject));
    const onDeadMount = new BoundedReader({ maxBytes: 1_000, timeoutMs: 1 }, dead);
    for (let i = 0; i < 4; i++) {
      assert.deepInclude(await onDeadMount.read(path, never), { kind: 'unreadable', code: 'ETIMEDOUT' });
    }
    assert.lengthOf(opened, 2);
    opened[0]?.(new Error('it is back'));
    await new Promise(setImmediate);
    await onDeadMount.read(path, never);
    assert.lengthOf(opened, 3);
  });
});
