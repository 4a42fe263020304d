import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assert } from 'chai';
import { IN_MANIFESTS, replaced } from '../../scripts/release/bump.ts';
import { releasedChangelog } from '../../scripts/release/changelog.ts';
import { problemsBefore, repositoryName } from '../../scripts/release/checks.ts';
import { publishCommands } from '../../scripts/release/publish.ts';
import { run, typed } from '../../scripts/release/run.ts';
import { debianComponents, imageSbom, type Sbom } from '../../scripts/release/sbom.ts';
import { compareVersions, imageTags, isVersion } from '../../scripts/release/version.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const execute = promisify(execFile);
const nameIn = (path: string) => path.split('node_modules/').at(-1)!;

describe('the version of a release', () => {
  it('is one of semver', () => {
    for (const text of ['0.1.0', '1.2.3', '1.2.3-rc.1']) assert.isTrue(isVersion(text), text);
    for (const text of ['', '1', '1.2', 'v1.2.3', '1.2.3+x', '01.2.3', '1.2.3-'])
      assert.isFalse(isVersion(text), text);
  });

  it('follows those before it', () => {
    const inOrder = ['0.9.0', '0.10.0', '1.0.0-rc.2', '1.0.0-rc.10', '1.0.0', '1.0.1', '2.0.0'];
    for (const [i, a] of inOrder.entries()) {
      for (const [k, b] of inOrder.entries())
        assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - k), `${a} ${b}`);
    }
  });

  it('has the tags that it is the newest of', () => {
    assert.deepEqual(imageTags('1.2.3'), ['1.2.3', '1.2', '1', 'latest']);
    assert.deepEqual(imageTags('0.2.3'), ['0.2.3', '0.2', 'latest']);
    assert.deepEqual(imageTags('1.2.3-rc.1'), ['1.2.3-rc.1']);
  });
});

describe('the changelog of a release', () => {
  const LOG = '# Changelog\n\n## Unreleased\n\n- New.\n\n## 1.0.0 (2026-01-01)\n\n- Old.\n';

  it('has what was unreleased', () => {
    const changelog = releasedChangelog(LOG, '1.1.0', '2026-02-03');
    if (changelog.kind === 'problem') assert.fail(changelog.reason);
    assert.equal(changelog.text, LOG.replace('## Unreleased', '## 1.1.0 (2026-02-03)'));
    assert.equal(changelog.notes, '- New.');
  });

  it('is as it was written, if it was', () => {
    const changelog = releasedChangelog(LOG, '1.0.0', '2026-02-03');
    if (changelog.kind === 'problem') assert.fail(changelog.reason);
    assert.deepEqual([changelog.text, changelog.notes], [LOG, '- Old.']);
  });

  it('says something', () => {
    const empty = releasedChangelog('# Changelog\n\n## Unreleased\n\n## 1.0.0\n\n- Old.\n', '1.1.0', '');
    assert.deepEqual(empty, { kind: 'problem', reason: 'CHANGELOG.md says nothing of 1.1.0' });
    assert.equal(releasedChangelog('# Changelog\n', '1.1.0', '').kind, 'problem');
  });
});

describe('a bump', () => {
  it('changes the version where it is ours, and nowhere else', () => {
    const text =
      'a:\n  app.kubernetes.io/version: "0.1.0"\n  image: ghcr.io/a/warmroute:0.1.0\n  image: other:0.1.0\n  image: warmroute:0.1.01\n';
    const expected =
      'a:\n  app.kubernetes.io/version: "2.0.0"\n  image: ghcr.io/a/warmroute:2.0.0\n  image: other:0.1.0\n  image: warmroute:0.1.01\n';
    assert.equal(replaced(text, IN_MANIFESTS, '0.1.0', '2.0.0'), expected);
  });
});

describe('the image’s bill of materials', () => {
  const component = (name: string) => ({ 'bom-ref': name, type: 'library', name, version: '1.0.0' });
  const ofPackage: Sbom = {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.5', serialNumber: 'urn:uuid:1' },
    metadata: { timestamp: 'now', component: { ...component('warmroute'), version: '1.2.3' } },
    components: [component('pino')],
    dependencies: [{ ref: 'warmroute', dependsOn: ['pino'] }],
  };

  it('has the program, Node and Debian', () => {
    const debian = debianComponents('libc6\t2.36-9+deb12u9\tamd64\nlibstdc++6\t12.2.0\tamd64\n\n');
    assert.deepEqual(
      debian.map(({ purl }) => purl),
      ['pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64', 'pkg:deb/debian/libstdc%2B%2B6@12.2.0?arch=amd64'],
    );
    const sbom = imageSbom(ofPackage, 'ghcr.io/a/warmroute', debian, '24.1.0');
    assert.deepEqual(
      sbom.components.map(({ name }) => name),
      ['warmroute', 'pino', 'node', 'libc6', 'libstdc++6'],
    );
    assert.equal(
      sbom.metadata.component.purl,
      'pkg:oci/warmroute?repository_url=ghcr.io%2Fa%2Fwarmroute&tag=1.2.3',
    );
    assert.notEqual(sbom.serialNumber, ofPackage.serialNumber);
    const refs = new Set([sbom.metadata.component, ...sbom.components].map(each => each['bom-ref']));
    for (const { ref, dependsOn } of sbom.dependencies)
      for (const each of [ref, ...dependsOn]) assert.isTrue(refs.has(each), each);
  });
});

describe('publishing', () => {
  const release = {
    version: '1.2.3',
    image: 'ghcr.io/a/warmroute',
    tarball: 'release/warmroute-1.2.3.tgz',
    imageArguments: ['--build-arg', 'VERSION=1.2.3'],
    chart: undefined,
  };
  const text = (given: object) =>
    publishCommands({ ...release, ...given })
      .map(typed)
      .join('\n');

  it('is pushing, with attestations of npm and of the image', () => {
    assert.equal(
      text({ chart: 'release/chart/warmroute-1.2.3.tgz' }),
      `git push --atomic origin HEAD v1.2.3
npm publish release/warmroute-1.2.3.tgz --provenance --access public
docker buildx build --push --platform linux/amd64,linux/arm64 --provenance=mode=max --sbom=true --build-arg VERSION=1.2.3 --tag ghcr.io/a/warmroute:1.2.3 --tag ghcr.io/a/warmroute:1.2 --tag ghcr.io/a/warmroute:1 --tag ghcr.io/a/warmroute:latest .
helm push release/chart/warmroute-1.2.3.tgz oci://ghcr.io/a/charts`,
    );
  });

  it('of a pre-release changes nothing for those who did not ask for it', () => {
    const commands = text({ version: '1.2.3-rc.1' });
    assert.match(commands, /^npm publish .* --tag next$/m);
    assert.notInclude(commands, 'latest');
    assert.notInclude(commands, 'helm');
  });

  it('is printed as one would type it', () => {
    assert.equal(typed(['a', 'b c', "it's"]), "a 'b c' 'it'\\''s'");
  });
});

describe('npm run release, in a clone', function () {
  this.timeout(180_000);
  let folder: string;
  let clone: string;
  let env: NodeJS.ProcessEnv;

  const git = (...args: string[]) => run(clone, 'git', ...args);
  const release = async (...args: string[]) => {
    const { stdout } = await execute(process.execPath, [join(PROJECT, 'scripts/release.ts'), ...args], {
      cwd: clone,
      env,
    });
    return stdout;
  };
  const json = async (path: string) => JSON.parse(await readFile(join(clone, path), 'utf8'));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmroute-release-test-'));
    clone = join(folder, 'clone');
    await run(folder, 'git', 'clone', '--quiet', PROJECT, clone);
    await symlink(join(PROJECT, 'node_modules'), join(clone, 'node_modules'));
    await git('config', 'user.name', 'Tester');
    await git('config', 'user.email', 'tester@example.com');
    const changelog = join(clone, 'CHANGELOG.md');
    const text = await readFile(changelog, 'utf8');
    // Right after a release nothing is unreleased.
    if (!/^## Unreleased$/m.test(text)) {
      await writeFile(changelog, text.replace(/^## /m, '## Unreleased\n\n- Something.\n\n## '));
      await git('commit', '--quiet', '--all', '--message', 'Something');
    }
    // No engine answers: an image takes minutes.
    const programs = join(folder, 'programs');
    await mkdir(programs);
    await writeFile(join(programs, 'docker'), '#!/bin/sh\nexit 1\n');
    await chmod(join(programs, 'docker'), 0o755);
    env = { ...process.env, PATH: `${programs}:${process.env.PATH}` };
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('finds all that is wrong at once, and does nothing', async () => {
    await git('tag', 'v88.0.0');
    await git('config', 'remote.origin.url', 'git@github.com:someone/fork.git');
    await writeFile(join(clone, 'stray'), '');
    const problems = (await problemsBefore(clone, '88.0.0')).join('\n');
    assert.match(problems, /there is a tag v88\.0\.0 already/);
    assert.match(problems, /the checkout is not clean:\n\?\? stray/);
    assert.match(problems, /origin is git@github\.com:someone\/fork\.git/);
    assert.match((await problemsBefore(clone, '0.0.1')).join('\n'), /0\.0\.1 goes before/);
    assert.match((await problemsBefore(clone, '1.x')).join('\n'), /1\.x is no version/);
    const failed = (await release('88.0.0').catch((error: unknown) => error)) as {
      code: number;
      stderr: string;
    };
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /^release: there is a tag/m);
    const unpublished = (await release('88.0.0', '--publish').catch((error: unknown) => error)) as {
      stderr: string;
    };
    assert.match(unpublished.stderr, /^release: no Docker engine answers/m);
    await rm(join(clone, 'stray'));
    await git('tag', '--delete', 'v88.0.0');
    await git('config', 'remote.origin.url', PROJECT);
    assert.deepEqual(await problemsBefore(clone, '88.0.0'), []);
  });

  it('knows a repository by any of its addresses', () => {
    for (const url of [
      'git+https://github.com/a/b.git',
      'git@github.com:a/b.git',
      'https://github.com/a/b',
      'ssh://git@github.com/a/b',
    ])
      assert.equal(repositoryName(url), 'a/b');
  });

  it('makes everything without a change, and says how it would be published', async () => {
    const before = await git('rev-parse', 'HEAD');
    const printed = await release('99.0.0');
    assert.match(printed, /This was a dry run/);
    assert.match(printed, /^ {2}npm publish release\/warmroute-99\.0\.0\.tgz --provenance/m);
    assert.match(printed, /^SKIPPED the image/m);
    assert.equal(await git('rev-parse', 'HEAD'), before);
    assert.equal(await git('status', '--porcelain'), '');
    assert.equal(await git('tag', '--list', 'v99*'), '');

    const packed = join(clone, 'release/warmroute-99.0.0.tgz');
    const files = (await run(clone, 'tar', '-tzf', packed)).split('\n');
    assert.includeMembers(
      files,
      [
        'dist/main.js',
        'dist/migration/manifests-worker.js',
        'protos/LICENSE',
        'envoy/warmroute.yaml',
        'LICENSE',
        'CHANGELOG.md',
      ].map(each => `package/${each}`),
    );
    assert.isTrue(files.every(each => !/\/(src|test|node_modules)\//.test(each)));
    const manifest = JSON.parse(await run(clone, 'tar', '-xzOf', packed, 'package/package.json'));
    assert.deepInclude(manifest, {
      version: '99.0.0',
      publishConfig: { access: 'public', provenance: true },
    });
    assert.match(manifest.repository.url, /^git\+https:\/\/github\.com\//);

    const sbom = (await json('release/warmroute-99.0.0.npm.cdx.json')) as Sbom;
    assert.include(sbom, { bomFormat: 'CycloneDX' });
    assert.include(sbom.metadata.component, {
      name: 'warmroute',
      version: '99.0.0',
      purl: 'pkg:npm/warmroute@99.0.0',
    });
    const lock = (await json('package-lock.json')) as { packages: Record<string, { dev?: boolean }> };
    const installed = Object.entries(lock.packages).flatMap(([path, { dev }]) =>
      path === '' || dev ? [] : [nameIn(path)],
    );
    const listed = sbom.components.map(({ group, name }) =>
      group === undefined ? name : `${group}/${name}`,
    );
    assert.sameMembers(listed, installed);
    const refs = new Set([sbom.metadata.component, ...sbom.components].map(each => each['bom-ref']));
    for (const { ref, dependsOn } of sbom.dependencies)
      for (const each of [ref, ...dependsOn]) assert.isTrue(refs.has(each), each);
    assert.notEqual(await readFile(join(clone, 'release/notes.md'), 'utf8'), '\n');
  });

  it('commits and tags when it is told to', async () => {
    const printed = await release('99.0.0', '--commit');
    assert.notMatch(printed, /dry run/);
    assert.equal(await git('log', '-1', '--format=%s'), 'Release 99.0.0');
    assert.equal(await git('rev-list', '-1', 'v99.0.0'), await git('rev-parse', 'HEAD'));
    assert.equal(await git('cat-file', '-t', 'v99.0.0'), 'tag');
    assert.equal(await git('status', '--porcelain'), '');
    assert.equal((await json('package.json')).version, '99.0.0');
    assert.equal((await json('package-lock.json')).version, '99.0.0');
    assert.match(await readFile(join(clone, 'CHANGELOG.md'), 'utf8'), /^## 99\.0\.0 \(\d{4}-\d\d-\d\d\)$/m);
    const { stdout } = await execute(process.execPath, [join(clone, 'src/main.ts'), '--version']);
    assert.equal(stdout.trim(), '99.0.0');
  });
});
