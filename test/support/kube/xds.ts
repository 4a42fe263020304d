/** Finds resources in Envoy's configuration, as Envoy Gateway prints it: JSON with a `@type` at each of them. */

/** Loosely typed: a test says what it expects of a type. */
// biome-ignore lint/suspicious/noExplicitAny: see above.
export type Resource = any;

/** All resources of a type, by the last part of its name, as `ExternalProcessor`. */
export function resourcesOf(type: string, within: unknown): readonly Resource[] {
  if (typeof within !== 'object' || within === null) return [];
  const found = Object.values(within).flatMap(each => resourcesOf(type, each));
  const name = (within as { '@type'?: string })['@type'];
  return name?.endsWith(`.${type}`) ? [within, ...found] : found;
}

export function theResource(type: string, within: unknown, name?: string): Resource {
  const found = resourcesOf(type, within).filter(each => name === undefined || each.name === name);
  if (found.length !== 1) {
    const all = resourcesOf(type, within).map(each => each.name);
    throw new Error(`${found.length} resources of type ${type}, name ${name}; there are ${all}`);
  }
  return found[0];
}
