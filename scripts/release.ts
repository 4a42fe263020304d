/**
 * A release: `npm run release -- 1.2.3`. Everything is done in a clone of the last commit: version, changelog, commit, tag, package,
 * image, bills of materials. What comes of it is in release/. Nothing else changes here unless `--commit` takes the commit and the tag
 * over; `--publish` does that, and runs what otherwise is printed. docs/releasing.md
 */
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bump } from './release/bump.ts';
import { imageName, problemsBefore, readPackage, repositoryName } from './release/checks.ts';
import { type Publication, publishCommands } from './release/publish.ts';
import { run, typed } from './release/run.ts';
import { debianPackages, imageSbom, nodeOf, packageSbom } from './release/sbom.ts';

const ARTIFACTS = 'release';
const CHART = 'deploy/helm/warmroute';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { commit: { type: 'boolean', default: false }, publish: { type: 'boolean', default: false } },
});
const here = process.cwd();
const [version = ''] = positionals;

const engine = await works('docker', 'info');
const helm = await works('helm', 'version', '--short');
const problems = [...(await problemsBefore(here, version))];
if (flags.publish && !engine) problems.push('no Docker engine answers: the image cannot be built');
if (flags.publish && !helm) problems.push('there is no helm: the chart cannot be packed');
if (problems.length > 0) {
  for (const problem of problems) console.error(`release: ${problem}`);
  process.exitCode = 1;
} else {
  const work = await mkdtemp(join(tmpdir(), 'warmroute-release-'));
  try {
    // npm's bill of materials calls the package by its folder.
    await release(join(work, 'warmroute'));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function release(clone: string): Promise<void> {
  const branch = await run(here, 'git', 'rev-parse', '--abbrev-ref', 'HEAD');
  await run(here, 'git', 'clone', '--quiet', here, clone);
  await symlink(join(here, 'node_modules'), join(clone, 'node_modules'));
  const notes = await commitVersion(clone);
  const publication = await makeArtifacts(clone, notes);
  if (flags.commit || flags.publish) {
    await run(here, 'git', 'fetch', '--quiet', clone, `refs/tags/v${version}:refs/tags/v${version}`);
    await run(here, 'git', 'merge', '--quiet', '--ff-only', `v${version}`);
    done(`committed and tagged v${version} on ${branch}`);
  }
  const commands = publishCommands(publication);
  if (flags.publish) {
    for (const command of commands) {
      console.log(`$ ${typed(command)}`);
      const [program = '', ...args] = command;
      console.log(await run(here, program, ...args));
    }
    done('published');
    return;
  }
  if (!flags.commit)
    console.log(
      '\nThis was a dry run: nothing is committed. With --commit it is; with --publish what follows is run as well.',
    );
  console.log(['\nTo publish:', ...commands.map(command => `  ${typed(command)}`)].join('\n'));
}

/** Version, changelog, commit, tag. Returns the notes of the release. */
async function commitVersion(clone: string): Promise<string> {
  const { version: before } = await readPackage(here);
  const date = new Date().toISOString().slice(0, 10);
  const notes = await bump(clone, before, version, date);
  for (const key of ['user.name', 'user.email']) {
    const value = await run(here, 'git', 'config', '--default', '', '--get', key);
    if (value !== '') await run(clone, 'git', 'config', key, value);
  }
  await run(clone, 'git', 'commit', '--quiet', '--all', '--allow-empty', '--message', `Release ${version}`);
  await run(clone, 'git', 'tag', '--annotate', `v${version}`, '--message', `${version}\n\n${notes}`);
  done(`version ${version}, changelog of ${date}, commit and tag`);
  return notes;
}

/** Package, image and bills of materials, in release/ of this checkout. */
async function makeArtifacts(clone: string, notes: string): Promise<Publication> {
  const artifacts = join(here, ARTIFACTS);
  await rm(artifacts, { recursive: true, force: true });
  await mkdir(artifacts);
  const [packed] = JSON.parse(await run(clone, 'npm', 'pack', '--json', '--silent')) as [
    { filename: string },
  ];
  await copyFile(join(clone, packed.filename), join(artifacts, packed.filename));
  done(`${ARTIFACTS}/${packed.filename}`);
  await writeFile(join(artifacts, 'notes.md'), `${notes}\n`);

  const ofPackage = await packageSbom(clone);
  await writeSbom('npm', ofPackage);

  const { repository } = await readPackage(clone);
  const image = imageName(repository.url);
  const imageArguments = await describeImage(clone);
  if (engine) {
    const local = `warmroute:${version}`;
    await run(clone, 'docker', 'build', '--quiet', ...imageArguments, '--tag', local, '.');
    done(`image ${local}`);
    await writeSbom(
      'image',
      imageSbom(ofPackage, image, await debianPackages(clone, local), await nodeOf(clone, local)),
    );
  } else {
    console.log('SKIPPED the image and its bill of materials: no Docker engine answers');
  }

  const tarball = `${ARTIFACTS}/${packed.filename}`;
  return { ...{ version, image, imageArguments, tarball }, chart: await packChart(clone) };
}

/** Where the packed chart is, which has the name of npm's package; undefined: there is no Helm. */
async function packChart(clone: string): Promise<string | undefined> {
  if (!helm) {
    console.log('SKIPPED the chart: there is no helm');
    return undefined;
  }
  await run(clone, 'helm', 'package', CHART, '--destination', join(here, ARTIFACTS, 'chart'));
  const chart = `${ARTIFACTS}/chart/warmroute-${version}.tgz`;
  done(chart);
  return chart;
}

/** As build arguments: the Dockerfile makes OCI labels of them. */
async function describeImage(clone: string): Promise<readonly string[]> {
  const revision = await run(clone, 'git', 'rev-parse', 'HEAD');
  const created = await run(clone, 'git', 'log', '-1', '--format=%cI');
  const { repository } = await readPackage(clone);
  const source = `https://github.com/${repositoryName(repository.url)}`;
  return Object.entries({ VERSION: version, REVISION: revision, CREATED: created, SOURCE: source }).flatMap(
    ([name, value]) => ['--build-arg', `${name}=${value}`],
  );
}

async function writeSbom(of: 'npm' | 'image', sbom: object): Promise<void> {
  const name = `warmroute-${version}.${of}.cdx.json`;
  await writeFile(join(here, ARTIFACTS, name), `${JSON.stringify(sbom, null, 2)}\n`);
  done(`${ARTIFACTS}/${name}`);
}

function works(command: string, ...args: readonly string[]): Promise<boolean> {
  return run(here, command, ...args).then(
    () => true,
    () => false,
  );
}

function done(what: string): void {
  console.log(`ok    ${what}`);
}
