import { imageTags } from './version.ts';

export interface Publication {
  readonly version: string;
  /** `ghcr.io/owner/name` */
  readonly image: string;
  /** The packed npm package. */
  readonly tarball: string;
  /** Arguments of `docker build` that say what the image is of. */
  readonly imageArguments: readonly string[];
  /** The packed chart; undefined: there is no Helm. */
  readonly chart: string | undefined;
}

/** Where images run. */
const PLATFORMS = 'linux/amd64,linux/arm64';

/** What publishes a release that is committed and tagged, in order. Each can be run again. */
export function publishCommands(release: Publication): readonly (readonly string[])[] {
  const { version, image, tarball, imageArguments, chart } = release;
  const isPreRelease = version.includes('-');
  return [
    ['git', 'push', '--atomic', 'origin', 'HEAD', `v${version}`],
    [
      'npm',
      'publish',
      tarball,
      '--provenance',
      '--access',
      'public',
      ...(isPreRelease ? ['--tag', 'next'] : []),
    ],
    [
      ...['docker', 'buildx', 'build', '--push', '--platform', PLATFORMS],
      // Attestations beside the image: how it was built, and what is in it.
      ...['--provenance=mode=max', '--sbom=true', ...imageArguments],
      ...imageTags(version).flatMap(tag => ['--tag', `${image}:${tag}`]),
      '.',
    ],
    ...(chart === undefined
      ? []
      : [['helm', 'push', chart, `oci://${image.replace(/\/[^/]+$/, '')}/charts`]]),
  ];
}
