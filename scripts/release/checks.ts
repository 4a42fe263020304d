/** What must be so before a release, asked of the checkout. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { releasedChangelog } from './changelog.ts';
import { run } from './run.ts';
import { compareVersions, isVersion } from './version.ts';

export interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly repository: { readonly url: string };
}

export async function readPackage(folder: string): Promise<PackageJson> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as PackageJson;
}

/** All that is wrong at once; none: go on. */
export async function problemsBefore(folder: string, version: string): Promise<readonly string[]> {
  if (!isVersion(version)) return [`${version} is no version: write it as 1.2.3, or 1.2.3-rc.1`];
  const problems: string[] = [];
  const { version: current, repository } = await readPackage(folder);
  if (compareVersions(version, current) < 0)
    problems.push(`${version} goes before ${current}, which package.json has`);
  if ((await run(folder, 'git', 'tag', '--list', `v${version}`)) !== '')
    problems.push(`there is a tag v${version} already`);
  const changed = await run(folder, 'git', 'status', '--porcelain');
  if (changed !== '') problems.push(`the checkout is not clean:\n${changed}`);
  const changelog = releasedChangelog(await readFile(join(folder, 'CHANGELOG.md'), 'utf8'), version, '');
  if (changelog.kind === 'problem') problems.push(changelog.reason);
  const origin = await run(folder, 'git', 'config', '--default', '', '--get', 'remote.origin.url');
  const isLocal = origin === '' || origin.startsWith('/') || origin.startsWith('file:');
  if (!isLocal && repositoryName(origin) !== repositoryName(repository.url)) {
    problems.push(
      `origin is ${origin}, but package.json names ${repository.url}: npm refuses provenance for another repository`,
    );
  }
  return problems;
}

/** Where the image of a repository is pushed: `ghcr.io/owner/name`. */
export function imageName(repositoryUrl: string): string {
  return `ghcr.io/${repositoryName(repositoryUrl).toLowerCase()}`;
}

/** `owner/name` of a repository's address. */
export function repositoryName(url: string): string {
  return /([^/:]+\/[^/]+?)(\.git)?$/.exec(url)?.[1] ?? url;
}
