/** Versions as semver.org has them, without build metadata. */

const FORM = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;

export function isVersion(text: string): boolean {
  return FORM.test(text);
}

/** Below, at or above 0 as `a` goes before, is, or follows `b`. */
export function compareVersions(a: string, b: string): number {
  const [[, ...one], [, ...other]] = [FORM.exec(a)!, FORM.exec(b)!];
  for (let i = 0; i < 3; i++) {
    const difference = Number(one[i]) - Number(other[i]);
    if (difference !== 0) return difference;
  }
  // 1.0.0-rc.1 goes before 1.0.0.
  if (one[3] === undefined || other[3] === undefined)
    return Number(one[3] === undefined) - Number(other[3] === undefined);
  return one[3].localeCompare(other[3], 'en', { numeric: true });
}

/** `1.2.3` is also what `1.2`, `1` and `latest` mean; a pre-release and 0.x only what they say. */
export function imageTags(version: string): readonly string[] {
  const [, major = '', minor = '', , preRelease] = FORM.exec(version)!;
  if (preRelease !== undefined) return [version];
  return major === '0' ? [version, `0.${minor}`, 'latest'] : [version, `${major}.${minor}`, major, 'latest'];
}
