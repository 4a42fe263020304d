/** Envoy's configuration as JSON: read by name, and never trusted to have the shape that it should have. */

export type Json = Readonly<Record<string, unknown>>;

/** Of a message; its name is `snake_case` in Envoy's own dumps and `camelCase` in those of others. */
export function field(message: unknown, name: string): unknown {
  if (typeof message !== 'object' || message === null) return undefined;
  const object = message as Json;
  return Object.hasOwn(object, name) ? object[name] : object[camelCase(name)];
}

/** The same through several messages. */
export function at(message: unknown, ...names: readonly string[]): unknown {
  return names.reduce(field, message);
}

/** The items of a repeated field; none where it is not there. */
export function list(message: unknown, ...names: readonly string[]): readonly unknown[] {
  const value = at(message, ...names);
  return Array.isArray(value) ? value : [];
}

export function text(message: unknown, ...names: readonly string[]): string | undefined {
  const value = at(message, ...names);
  return typeof value === 'string' ? value : undefined;
}

/** 64-bit numbers are texts in JSON, and wrapped ones may be messages. */
export function number(message: unknown, ...names: readonly string[]): number | undefined {
  const value = at(message, ...names);
  const bare = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof bare === 'number' && Number.isFinite(bare) ? bare : undefined;
}

export function isTrue(message: unknown, ...names: readonly string[]): boolean {
  return at(message, ...names) === true;
}

export function isPresent(message: unknown, ...names: readonly string[]): boolean {
  const value = at(message, ...names);
  return value !== undefined && value !== null;
}

/** A `google.protobuf.Duration`, in milliseconds: `1.5s`. */
export function milliseconds(message: unknown, ...names: readonly string[]): number | undefined {
  const seconds = /^(-?\d+(?:\.\d+)?)s$/.exec(text(message, ...names) ?? '')?.[1];
  return seconds === undefined ? undefined : 1_000 * Number(seconds);
}

/** The last part of the name of its type, as `ExternalProcessor`. */
export function typeOf(typedConfig: unknown): string {
  return /[^./]*$/.exec(text(typedConfig, '@type') ?? '')![0];
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
