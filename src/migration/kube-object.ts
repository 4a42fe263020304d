/** Reading Kubernetes objects of which nothing is certain but that they are JSON. */

export type Json = Readonly<Record<string, unknown>>;

/** What every object of the Kubernetes API has. `raw` is all of it. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** `default` where the manifest does not say. */
  readonly namespace: string;
  readonly raw: Json;
}

/** What is wrong with the input, for whoever gave it. */
export interface Unreadable {
  readonly place: string;
  readonly reason: string;
}

/** A member of a member …; undefined where one is missing. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Record<string | number, unknown>)[step];
  }
  return here;
}

export function recordAt(value: unknown, ...path: readonly (string | number)[]): Json {
  const found = at(value, ...path);
  return isRecord(found) ? found : {};
}

export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** A text, or what YAML reads as a number or a switch where a text is meant. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean'
    ? String(found)
    : undefined;
}

/** Labels or annotations. */
export function textsAt(
  value: unknown,
  ...path: readonly (string | number)[]
): Readonly<Record<string, string>> {
  const entries = Object.keys(recordAt(value, ...path)).flatMap(key => {
    const text = textAt(value, ...path, key);
    return text === undefined ? [] : [[key, text] as const];
  });
  return Object.fromEntries(entries);
}

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 },
  ...{ k: 1e3, M: 1e6, G: 1e9 },
};

/** A quantity of bytes, as `4194304`, `4Mi`, `1.5G`; undefined: it is none, or written in another way. */
export function bytesOf(quantity: string | undefined): number | undefined {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|k|M|G)?$/.exec(quantity ?? '') ?? [];
  return count === undefined ? undefined : Math.floor(Number(count) * UNITS[unit]!);
}
