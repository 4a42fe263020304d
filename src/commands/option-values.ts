/** Values of options that several commands have. */
import { InvalidArgumentError } from 'commander';

export function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new InvalidArgumentError('must be an http or https URL.');
  }
  return url;
}

/** For options that may be given several times. Names become lower case. */
export function header(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const match = /^([\w!#$%&'*+.^`|~-]+):[ \t]*([\t\x20-\x7e]*)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('must be written name: value.');
  return { ...before, [match[1]!.toLowerCase()]: match[2]! };
}
