export type ReleasedChangelog =
  /** `notes`: what stands under the version. */
  | { readonly kind: 'released'; readonly text: string; readonly notes: string }
  | { readonly kind: 'problem'; readonly reason: string };

const UNRELEASED = /^## Unreleased$/m;

/** The changelog with what was unreleased under `version`. One that has the version already stays as it is. */
export function releasedChangelog(text: string, version: string, date: string): ReleasedChangelog {
  const heading = new RegExp(`^## ${version.replaceAll('.', '\\.')}( .*)?$`, 'm');
  const hasVersion = heading.test(text);
  if (!hasVersion && !UNRELEASED.test(text)) {
    return { kind: 'problem', reason: `CHANGELOG.md has neither "## Unreleased" nor "## ${version}"` };
  }
  const released = hasVersion ? text : text.replace(UNRELEASED, `## ${version} (${date})`);
  const [, after = ''] = released
    .split(heading)
    .filter(part => part !== undefined && !/^ \(.*\)$/.test(part));
  const notes = after.split(/^## /m)[0]!.trim();
  if (notes === '') return { kind: 'problem', reason: `CHANGELOG.md says nothing of ${version}` };
  return { kind: 'released', text: released, notes };
}
