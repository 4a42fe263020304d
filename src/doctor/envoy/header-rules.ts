/** What Envoy's `HeaderMutationRules` say of headers. */
import { Script } from 'node:vm';
import { at, isTrue, list, text } from './json.ts';

/** A regular expression of a stranger's may take for ever on a short text. */
const MAX_MATCH_MS = 100;
const MAX_REGEX_LENGTH = 2_000;

/** Whether a filter with these rules may set or remove this header. */
export function maySet(rules: unknown, header: string): boolean {
  if (isTrue(rules, 'disallow_all') || matches(text(rules, 'disallow_expression', 'regex'), header))
    return false;
  if (matches(text(rules, 'allow_expression', 'regex'), header)) return true;
  return isTrue(rules, 'allow_envoy') || !header.startsWith('x-envoy');
}

/** As RE2 does: the whole of it. What cannot be evaluated does not match. */
function matches(regex: string | undefined, header: string): boolean {
  if (regex === undefined || regex.length > MAX_REGEX_LENGTH) return false;
  try {
    const script = new Script(
      `new RegExp(${JSON.stringify(`^(?:${regex})$`)}).test(${JSON.stringify(header)})`,
    );
    return script.runInNewContext({}, { timeout: MAX_MATCH_MS }) === true;
  } catch {
    return false;
  }
}

/** Headers of the client that are gone before the filter at `position`, lower-case. */
export function removedBefore(
  manager: unknown,
  chain: readonly unknown[],
  position: number,
): ReadonlySet<string> {
  const early = list(manager, 'early_header_mutation_extensions').flatMap(each =>
    list(each, 'typed_config', 'mutations'),
  );
  const filters = chain
    .slice(0, position)
    .flatMap(each => list(each, 'typed_config', 'mutations', 'request_mutations'));
  const removed = [...early, ...filters].map(mutation => at(mutation, 'remove'));
  return new Set(removed.filter(name => typeof name === 'string').map(name => name.toLowerCase()));
}
