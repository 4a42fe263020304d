import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import {
  checkPodsFile,
  followPodsFile,
  PodsFileError,
  type PodsFileFollower,
  type PodsFileOptions,
} from '../../src/pods/pods-file-follower.ts';
import { describeProblem } from '../../src/pods/problem.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { realSleep, type Sleep } from '../../src/time.ts';
import { Recorder, recordChanges } from './recorder.ts';

const NEVER_MS = 1_000_000;

/** One line per pod: `name address`. */
function file(...lines: string[]): string {
  const pods = lines.map(line => {
    const [name, address] = line.split(' ');
    return { name, address, port: 8000 + name!.charCodeAt(0), model: 'm' };
  });
  return JSON.stringify({ pods });
}

describe('followPodsFile', () => {
  let directory: string;
  let path: string;
  let registry: PodRegistry;
  let events: Recorder;
  let follower: PodsFileFollower | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pods-file-'));
    path = join(directory, 'pods.yaml');
    registry = new PodRegistry();
    events = new Recorder();
  });

  afterEach(async () => {
    await follower?.stop();
    follower = undefined;
    // A closed watcher is gone with the next turn of the loop.
    await new Promise(setImmediate);
    assert.notInclude(process.getActiveResourcesInfo(), 'FSEventWrap');
    await rm(directory, { recursive: true });
  });

  async function follow(options: Partial<PodsFileOptions> = {}): Promise<void> {
    follower = await followPodsFile({
      path,
      sink: registry,
      resolve: () => assert.fail('nothing to resolve'),
      pollEveryMs: 5,
      settleMs: 1,
      resolveEveryMs: NEVER_MS,
      onProblem: problem => events.note(describeProblem(problem)),
      onReload: count => events.note(`reloaded ${count}`),
      ...options,
    });
    recordChanges(registry, events);
  }

  async function replaceByRename(text: string): Promise<void> {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }

  describe('the file', () => {
    it('is in force when the start is done', async () => {
      await writeFile(path, file('a 10.0.0.1', 'b ::1'));
      await follow();
      assert.deepEqual(events.notes, ['joined a@10.0.0.1', 'joined b@::1']);
    });

    it('names directories of tokenizer files as seen from where it is itself', async () => {
      const pods = ['qwen3', '../models/qwen3', '/models/qwen3'].map((tokenizer, i) => {
        return { name: `pod-${i}`, address: '10.0.0.1', port: 8000 + i, model: 'm', tokenizer };
      });
      await writeFile(path, JSON.stringify({ pods }));
      await follow();
      assert.deepEqual(
        registry.pods().map(({ tokenizer }) => tokenizer),
        [join(directory, 'qwen3'), join(directory, '../models/qwen3'), '/models/qwen3'].map(absolute => {
          return { kind: 'directory', path: absolute } as const;
        }),
      );
    });

    it('is followed when it is written in place', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      await follow();
      events.take();
      await writeFile(path, file('b 10.0.0.2'));
      await events.until('reloaded 1');
      // Between truncation and writing the file may have been seen empty, which is a problem of its own.
      const changes = events.notes.filter(note => !note.includes('is not valid'));
      assert.deepEqual(changes, ['left a@10.0.0.1', 'joined b@10.0.0.2', 'changed', 'reloaded 1']);
    });

    it('is followed when another is renamed over it, without waiting for a poll', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      await follow({ pollEveryMs: NEVER_MS });
      await replaceByRename(file('a 10.0.0.1', 'b 10.0.0.2'));
      await events.until('reloaded 2');
      assert.deepEqual(events.notes, ['joined a@10.0.0.1', 'joined b@10.0.0.2', 'changed', 'reloaded 2']);
    });

    it('is followed through the swapped link of a mounted ConfigMap, without waiting for a poll', async () => {
      const mount = async (version: string, text: string): Promise<void> => {
        await mkdir(join(directory, version));
        await writeFile(join(directory, version, 'pods.yaml'), text);
        await symlink(version, join(directory, '..data_tmp'));
        await rename(join(directory, '..data_tmp'), join(directory, '..data'));
      };
      await mount('..2026_1', file('a 10.0.0.1'));
      await symlink(join('..data', 'pods.yaml'), path);
      await follow({ pollEveryMs: NEVER_MS });
      await mount('..2026_2', file('a 10.0.0.2'));
      await rm(join(directory, '..2026_1'), { recursive: true });
      await events.until('reloaded 1');
      assert.equal(registry.pods()[0]?.ip, '10.0.0.2');
    });

    it('is followed where a link leads to another directory, which no watch sees', async () => {
      const elsewhere = join(directory, 'elsewhere');
      await mkdir(elsewhere);
      await writeFile(join(elsewhere, 'real.yaml'), file('a 10.0.0.1'));
      await symlink(join(elsewhere, 'real.yaml'), path);
      await follow();
      await writeFile(join(elsewhere, 'real.yaml'), file('a 10.0.0.2'));
      await events.until('reloaded 1');
      assert.equal(registry.pods()[0]?.ip, '10.0.0.2');
    });

    it('is not announced again when it is replaced by the same content', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      await follow();
      await replaceByRename(file('a 10.0.0.1'));
      await replaceByRename(file('a 10.0.0.1'));
      await replaceByRename(file());
      await events.until('reloaded 0');
      assert.deepEqual(
        events.notes.filter(note => note.startsWith('reloaded')),
        ['reloaded 0'],
      );
    });

    it('is not taken half written', async () => {
      await writeFile(path, file('a 10.0.0.1', 'b 10.0.0.2'));
      let writing = false;
      // The first half was read; the rest is there when the file is read again.
      const sleep: Sleep = async (ms, signal) => {
        if (ms === 1 && writing) await writeFile(path, file('a 10.0.0.1', 'b 10.0.0.2', 'c 10.0.0.3'));
        await realSleep(ms, signal);
      };
      await follow({ sleep });
      events.take();
      writing = true;
      await replaceByRename(file('a 10.0.0.1'));
      await events.until('reloaded 3');
      assert.deepEqual(events.notes, ['joined c@10.0.0.3', 'changed', 'reloaded 3']);
    });

    it('stays in force while a bad one is there, which is reported once', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      let polls = 0;
      const sleep: Sleep = (ms, signal) => {
        polls += 1;
        events.note(`sleep ${polls}`);
        return realSleep(ms, signal);
      };
      await follow({ sleep });
      await replaceByRename('pods:\n  - name: a\n');
      const problem = `the pods file ${path} is not valid:
  pods[0].address: is required
  pods[0].port: is required
  pods[0].model: is required`;
      await events.until(problem);
      assert.deepEqual(
        registry.pods().map(pod => pod.ip),
        ['10.0.0.1'],
      );
      await events.until(`sleep ${polls + 3}`);
      await replaceByRename(file('a 10.0.0.2'));
      await events.until('reloaded 1');
      assert.lengthOf(
        events.notes.filter(note => note === problem),
        1,
      );
      assert.equal(registry.pods()[0]?.ip, '10.0.0.2');
    });

    it('stays in force when it disappears, which is reported once', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      await follow();
      events.take();
      await unlink(path);
      const problem = `the pods file ${path} cannot be read: ENOENT: no such file or directory, open '${path}'`;
      await events.until(problem);
      assert.lengthOf(registry.pods(), 1);
      await writeFile(join(directory, 'other'), '');
      await replaceByRename(file('a 10.0.0.1', 'b 10.0.0.2'));
      await events.until('reloaded 2');
      assert.deepEqual(events.notes, [problem, 'joined b@10.0.0.2', 'changed', 'reloaded 2']);
    });

    it('says for how long it has not been usable', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      let time = 1_000;
      await follow({ now: () => time });
      assert.deepEqual(follower?.stale(), { file: 0, dns: 0 });
      await replaceByRename('pods: 3');
      await events.until(`the pods file ${path} is not valid:\n  pods: must be a list`);
      time += 500;
      await unlink(path);
      await events.until(
        `the pods file ${path} cannot be read: ENOENT: no such file or directory, open '${path}'`,
      );
      time += 500;
      assert.deepEqual(follower?.stale(), { file: 1_000, dns: 0 });
      await replaceByRename(file('a 10.0.0.1', 'b 10.0.0.2'));
      await events.until('reloaded 2');
      assert.deepEqual(follower?.stale(), { file: 0, dns: 0 });
    });

    it('survives that its directory is removed and made again', async () => {
      path = join(directory, 'sub', 'pods.yaml');
      await mkdir(join(directory, 'sub'));
      await writeFile(path, file('a 10.0.0.1'));
      await follow();
      await rm(join(directory, 'sub'), { recursive: true });
      await events.until(
        `the pods file ${path} cannot be read: ENOENT: no such file or directory, open '${path}'`,
      );
      await mkdir(join(directory, 'sub'));
      await writeFile(path, file('b 10.0.0.2'));
      await events.until('joined b@10.0.0.2');
    });

    it('is read and announced again on request', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      await follow();
      events.take();
      await follower?.reload();
      assert.deepEqual(events.notes, ['reloaded 1']);
    });

    it('is not followed after stop', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      await follow();
      events.take();
      await follower?.stop();
      await writeFile(path, file('b 10.0.0.2'));
      await follower?.reload();
      assert.deepEqual(events.notes, []);
    });

    it('must be there at start', async () => {
      const error = await follow().then(
        () => assert.fail('started'),
        caught => caught,
      );
      assert.instanceOf(error, PodsFileError);
      assert.deepInclude(error.problem, { kind: 'unreadable_file', path, code: 'ENOENT' });
      assert.match(error.message, /cannot be read: ENOENT.*\n.*Create or correct it/);
    });

    it('must be valid at start', async () => {
      await writeFile(path, 'pods: 3');
      const error = await follow().then(
        () => assert.fail('started'),
        caught => caught,
      );
      assert.instanceOf(error, PodsFileError);
      assert.deepEqual(error.problem, {
        kind: 'invalid_file',
        path,
        problems: [{ place: 'pods', reason: 'must be a list' }],
      });
    });
  });

  describe('the file, when it hangs', () => {
    const bounds = { maxBytes: 1_000, timeoutMs: 20 };
    const problem = () =>
      `the pods file ${path} cannot be read: nothing came within 20 ms: is it a pipe that nobody writes to, or on a mount that does not answer?`;

    async function hangs(): Promise<void> {
      execFileSync('mkfifo', [`${path}.new`]);
      await rename(`${path}.new`, path);
    }

    it('is given up, which is said once, and tried again; what was in force stays', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      let polls = 0;
      const sleep: Sleep = (ms, signal) => {
        events.note(`sleep ${++polls}`);
        return realSleep(ms, signal);
      };
      await follow({ bounds, sleep });
      await hangs();
      await events.until(problem());
      await events.until(`sleep ${polls + 3}`);
      assert.lengthOf(registry.pods(), 1);
      await replaceByRename(file('b 10.0.0.2'));
      await events.until('reloaded 1');
      assert.lengthOf(
        events.notes.filter(note => note === problem()),
        1,
      );
      assert.equal(registry.pods()[0]?.name, 'b');
    });

    it('is given up at start, too', async () => {
      await hangs();
      const error = await follow({ bounds }).catch(caught => caught);
      assert.instanceOf(error, PodsFileError);
      assert.include(error.message, problem());
    });

    it('does not keep a stop waiting', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      await follow({ bounds: { ...bounds, timeoutMs: NEVER_MS } });
      await hangs();
      // It is open for reading: the router waits for what it says.
      const writer = await open(path, 'w');
      await follower?.stop();
      await writer.close();
      assert.lengthOf(registry.pods(), 1);
    });

    it('does not keep a start from being ended', async () => {
      await hangs();
      const ending = new AbortController();
      const starting = follow({ bounds: { ...bounds, timeoutMs: NEVER_MS }, ending: ending.signal });
      const writer = await open(path, 'w');
      ending.abort('SIGTERM');
      assert.equal(await starting.catch(caught => caught), 'SIGTERM');
      await writer.close();
    });

    it('is refused when it is too long', async () => {
      await writeFile(path, file('a 10.0.0.1'));
      await follow({ bounds });
      await replaceByRename(file(...Array(100).fill('b 10.0.0.2')));
      await events.until(`the pods file ${path} cannot be read: it is longer than 1000 bytes`);
      assert.lengthOf(registry.pods(), 1);
    });
  });

  describe('an address that no engine can have', () => {
    const warned = () => events.notes.filter(note => note.startsWith('no engine can be there'));

    it('is warned of once for each content, and used', async () => {
      const odd = file('a 169.254.169.254', 'b 10.0.0.1', 'c ff02::1');
      await writeFile(path, odd);
      let polls = 0;
      const sleep: Sleep = (ms, signal) => {
        events.note(`sleep ${++polls}`);
        return realSleep(ms, signal);
      };
      await follow({ sleep });
      await events.until(`sleep ${polls + 4}`);
      const warning =
        'no engine can be there: a at 169.254.169.254 (a metadata service), c at ff02::1 (multicast)';
      assert.deepEqual(warned(), [warning]);
      assert.lengthOf(registry.pods(), 3);
      await replaceByRename(odd.replace('10.0.0.1', '10.0.0.2'));
      await events.until(warning, 2);
      assert.deepEqual(await checkPodsFile(path), {
        kind: 'reserved_address',
        findings: [
          { of: 'a', address: '169.254.169.254', what: 'a metadata service' },
          { of: 'c', address: 'ff02::1', what: 'multicast' },
        ],
      });
    });

    it('is warned of once when a host name has it', async () => {
      let answer = ['10.0.0.1'];
      await writeFile(path, file('a engines'));
      await follow({ resolve: async () => answer, resolveEveryMs: 2 });
      answer = ['224.0.0.1', '10.0.0.1'];
      await events.until('joined a/224.0.0.1@224.0.0.1');
      answer = ['10.0.0.1'];
      await events.until('joined a@10.0.0.1', 2);
      answer = ['224.0.0.1'];
      await events.until('joined a@224.0.0.1');
      assert.deepEqual(warned(), ['no engine can be there: engines at 224.0.0.1 (multicast)']);
    });

    it('is told of ten times, and how many more there are', async () => {
      await writeFile(
        path,
        file(...Array.from({ length: 12 }, (_, i) => `${String.fromCharCode(97 + i)} 0.0.0.0`)),
      );
      await follow();
      assert.match(warned().join(), /j at 0\.0\.0\.0 \(unspecified: this machine, if any\) and 2 more$/);
    });
  });

  it('ends a start that waits for host names when it is told to', async () => {
    await writeFile(path, file('a engines'));
    const ending = new AbortController();
    const asked = Promise.withResolvers<void>();
    const starting = follow({
      ending: ending.signal,
      resolve: () => {
        asked.resolve();
        return new Promise(() => {});
      },
    });
    await asked.promise;
    ending.abort('SIGTERM');
    assert.equal(await starting.catch(caught => caught), 'SIGTERM');
  });

  describe('a host name', () => {
    let answers: Record<string, readonly string[]>;
    const resolve = async (host: string): Promise<readonly string[]> => {
      events.note(`asked for ${host}`);
      return answers[host] ?? Promise.reject(new Error(`no ${host}`));
    };

    async function askedTwiceMore(host: string): Promise<void> {
      const asked = events.notes.filter(note => note === `asked for ${host}`).length;
      await events.until(`asked for ${host}`, asked + 2);
    }

    function unasked(): string[] {
      return events.notes.filter(note => !note.startsWith('asked'));
    }

    beforeEach(() => {
      answers = { engines: ['10.0.0.1'] };
    });

    it('is resolved before the start is done, and asked for once however many entries have it', async () => {
      await writeFile(path, file('a engines', 'b engines'));
      await follow({ resolve });
      assert.deepEqual(events.notes, ['asked for engines', 'joined a@10.0.0.1', 'joined b@10.0.0.1']);
    });

    it('is followed to its new address', async () => {
      await writeFile(path, file('a engines', 'b 10.0.0.7'));
      await follow({ resolve, resolveEveryMs: 2 });
      answers = { engines: ['10.0.0.2'] };
      await events.until('joined a@10.0.0.2');
      assert.deepEqual(unasked().slice(2, 4), ['left a@10.0.0.1', 'joined a@10.0.0.2']);
    });

    it('is one pod per address', async () => {
      answers = { engines: ['10.0.0.2', '10.0.0.1', '10.0.0.2'] };
      await writeFile(path, file('a engines'));
      await follow({ resolve, resolveEveryMs: 2 });
      assert.deepEqual(unasked(), ['joined a/10.0.0.1@10.0.0.1', 'joined a/10.0.0.2@10.0.0.2']);
      answers = { engines: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] };
      await events.until('changed');
      assert.deepEqual(unasked().slice(2), ['joined a/10.0.0.3@10.0.0.3', 'changed']);
    });

    it('keeps its addresses through an outage, which is reported once each', async () => {
      await writeFile(path, file('a engines'));
      await follow({ resolve, resolveEveryMs: 2 });
      const problem = 'the host name engines does not resolve (keeping 10.0.0.1): no engines';
      answers = {};
      await events.until(problem);
      await askedTwiceMore('engines');
      answers = { engines: ['10.0.0.1'] };
      await askedTwiceMore('engines');
      answers = {};
      await events.until(problem, 2);
      assert.deepEqual(unasked(), ['joined a@10.0.0.1', problem, problem]);
    });

    it('says for how long it has not resolved', async () => {
      await writeFile(path, file('a engines', 'b others'));
      answers = { engines: ['10.0.0.1'], others: ['10.0.0.2'] };
      let time = 1_000;
      await follow({ resolve, resolveEveryMs: 2, now: () => time });
      answers = { others: ['10.0.0.2'] };
      await askedTwiceMore('engines');
      time += 500;
      answers = {};
      await askedTwiceMore('others');
      assert.deepEqual(follower?.stale(), { file: 0, dns: 500 });
      answers = { engines: ['10.0.0.1'], others: ['10.0.0.2'] };
      await askedTwiceMore('others');
      await askedTwiceMore('engines');
      assert.deepEqual(follower?.stale(), { file: 0, dns: 0 });
    });

    it('that never resolved is an entry without pods', async () => {
      answers = { empty: [] };
      await writeFile(path, file('a nowhere', 'b empty'));
      await follow({ resolve, resolveEveryMs: 2 });
      await askedTwiceMore('nowhere');
      assert.deepEqual(unasked().sort(), [
        'the host name empty does not resolve (no pods there): the name has no address',
        'the host name nowhere does not resolve (no pods there): no nowhere',
      ]);
      assert.isTrue(registry.knows('m'));
      assert.isFalse(registry.ready);
      answers = { nowhere: ['10.0.0.4'] };
      await events.until('joined a@10.0.0.4');
    });

    it('that is slow does not keep the others waiting', async () => {
      const slow = Promise.withResolvers<readonly string[]>();
      await writeFile(path, file('a slow', 'b engines', 'c 10.0.0.3'));
      await follow({ resolve: host => (host === 'slow' ? slow.promise : resolve(host)), resolveEveryMs: 2 });
      assert.deepEqual(unasked(), ['joined b@10.0.0.1', 'joined c@10.0.0.3']);
      await askedTwiceMore('engines');
      slow.resolve(['10.0.0.9']);
      await events.until('joined a@10.0.0.9');
    });

    it('is resolved at once when a reload brings it, and on request', async () => {
      await writeFile(path, file('b 10.0.0.3'));
      await follow({ resolve });
      await replaceByRename(file('a engines'));
      await events.until('joined a@10.0.0.1');
      answers = { engines: ['10.0.0.2'] };
      await follower?.reload();
      assert.equal(registry.pods()[0]?.ip, '10.0.0.2');
    });

    it('whose answer comes after its entry is gone, or after stop, changes nothing', async () => {
      const late = [Promise.withResolvers<readonly string[]>(), Promise.withResolvers<readonly string[]>()];
      await writeFile(path, file('a first', 'b second', 'c 10.0.0.3'));
      await follow({
        resolve: host => late[host === 'first' ? 0 : 1]?.promise ?? assert.fail(),
        sleep: (ms, signal) => (ms === NEVER_MS ? realSleep(1, signal) : realSleep(ms, signal)),
      });
      await replaceByRename(file('b second', 'c 10.0.0.3'));
      await events.until('reloaded 2');
      events.take();
      late[0]?.resolve(['10.0.0.1']);
      await late[0]?.promise;
      await follower?.stop();
      late[1]?.reject(new Error('too late'));
      await late[1]?.promise.catch(() => undefined);
      await new Promise(setImmediate);
      assert.deepEqual(events.notes, []);
      assert.deepEqual(
        registry.pods().map(pod => pod.name),
        ['c'],
      );
    });

    it('is asked of the system by default', async () => {
      await writeFile(path, file('a localhost'));
      follower = await followPodsFile({
        path,
        sink: registry,
        onProblem: problem => assert.fail(describeProblem(problem)),
      });
      assert.lengthOf(registry.pods(), 1);
      assert.include(['127.0.0.1', '::1'], registry.pods()[0]?.ip);
    });
  });
});
