/** Writes a version into everything that has one. */
import { globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { releasedChangelog } from './changelog.ts';
import { run } from './run.ts';

/** What stands before our version in a manifest. */
export const IN_MANIFESTS =
  /^\s*(app\.kubernetes\.io\/version: "?|(- )?image: (ghcr\.io\/[^/]+\/)?warmroute:)/;

/** Each finds the old version by what stands before it. */
const PLACES: readonly { readonly files: string; readonly before: RegExp }[] = [
  { files: 'deploy/helm/*/Chart.yaml', before: /^(version|appVersion): "?/ },
  { files: 'deploy/**/*.yaml', before: IN_MANIFESTS },
];

/** Of a checkout. The date is that of the changelog's heading, as 2026-01-31. Returns the notes of the release. */
export async function bump(folder: string, from: string, to: string, date: string): Promise<string> {
  await run(folder, 'npm', 'version', to, '--no-git-tag-version', '--allow-same-version', '--ignore-scripts');
  for (const { files, before } of PLACES) {
    for (const file of globSync(files, { cwd: folder }))
      await edit(join(folder, file), text => replaced(text, before, from, to));
  }
  const path = join(folder, 'CHANGELOG.md');
  const changelog = releasedChangelog(await readFile(path, 'utf8'), to, date);
  if (changelog.kind === 'problem') throw new Error(changelog.reason);
  await writeFile(path, changelog.text);
  return changelog.notes;
}

/** In lines that begin with `before` and go on with the old version. */
export function replaced(text: string, before: RegExp, from: string, to: string): string {
  return text
    .split('\n')
    .map(line => {
      const start = before.exec(line)?.[0].length;
      const rest = start === undefined ? '' : line.slice(start);
      return /^["'\s#]|^$/.test(rest.slice(from.length)) && rest.startsWith(from)
        ? line.slice(0, start) + to + rest.slice(from.length)
        : line;
    })
    .join('\n');
}

async function edit(path: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const changed = change(text);
  if (changed !== text) await writeFile(path, changed);
}
