import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';
import { parse } from 'yaml';

const inProject = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const fixture = (name: string) => inProject(`test/fixtures/aibrix-0.7.0-${name}.yaml`);

async function run(args: readonly string[], input?: string) {
  const child = spawn(inProject('scripts/migrate-from-aibrix'), args, {
    env: { PATH: process.env.PATH, NODE_V8_COVERAGE: process.env.NODE_V8_COVERAGE },
  });
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  // It may end before it has read all.
  child.stdin.on('error', () => {});
  if (input === undefined) child.stdin.end();
  else createReadStream(input).pipe(child.stdin);
  const [stdout, stderr, [code]] = await output;
  return { stdout, stderr, code: code as number | null };
}

describe('scripts/migrate-from-aibrix', function () {
  this.timeout(20_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-migrate-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('prints values from files', async () => {
    const { stdout, stderr, code } = await run([fixture('core'), fixture('engines')]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^# - default\/qwen3-8b: publishes on 5557/m);
    assert.property(parse(stdout), 'config');
  });

  it('prints the same from standard input, which is read when nothing is named', async () => {
    const [named, unnamed] = await Promise.all([run(['-'], fixture('core')), run([], fixture('core'))]);
    assert.deepEqual([named.code, unnamed.code], [0, 0]);
    assert.equal(named.stdout, unnamed.stdout);
  });

  it('ends with 1 and a line for each thing that is wrong, and prints no values', async () => {
    const broken = join(folder, 'broken.yaml');
    await writeFile(broken, 'a: [\n---\nkind: Pod\n');
    const { stdout, stderr, code } = await run([broken, fixture('core')]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /broken\.yaml: document 1, line \d+ is no YAML.*\nwarmroute: .*broken\.yaml: document 2 is no object/,
    );
  });

  it('ends with 1 on a file that is not there, one that is too long, and nothing at all', async () => {
    const long = join(folder, 'long.yaml');
    await writeFile(long, Buffer.alloc((32 << 20) + 1, '#'));
    const [missing, file, stdin, nothing] = await Promise.all([
      run([join(folder, 'missing.yaml')]),
      run([long]),
      run([], long),
      run([]),
    ]);
    assert.match(missing.stderr, /missing\.yaml cannot be read: ENOENT/);
    assert.match(file.stderr, /long\.yaml cannot be read: it is longer than 33554432 bytes/);
    assert.match(stdin.stderr, /standard input is longer than 33554432 bytes/);
    assert.match(nothing.stderr, /there is no Deployment with a container/);
    assert.deepEqual(
      [missing, file, stdin, nothing].map(({ code }) => code),
      [1, 1, 1, 1],
    );
  });
});
