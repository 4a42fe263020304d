/**
 * JSON that comes out as it went in. A template prints what tools and their calls hold, and for an engine `1.0` is not `1`, nor
 * is a number beyond 2^53 what JavaScript rounds it to.
 */

/** ES2026, in Node since 21. */
interface SourceText {
  readonly source?: string;
}
declare global {
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

export type Json = Readonly<Record<string, unknown>>;

/** A JSON object whose numbers are written as they were read. The text is known to be JSON. */
export function parseExactly(raw: Uint8Array): Json {
  const keepSource = (_key: string, value: unknown, context?: SourceText) =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? JSON.rawJSON(context.source)
      : value;
  return JSON.parse(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('utf8'), keepSource);
}

/** JavaScript puts such members before all others, whatever their order was. */
const NUMBERED_MEMBER = /"(?:0|[1-9]\d{0,9})":/;

/** undefined for what would not come out as it went in: numbered members, and nesting deeper than the stack. */
export function writeExactly(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value);
    return NUMBERED_MEMBER.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

const exact = new WeakSet<object>();

/** Notes a value that was parsed from `written`, if it would be written like that again. */
export function noteExact(value: unknown, written: Buffer): void {
  if (typeof value !== 'object' || value === null) return;
  const again = writeExactly(value);
  if (again !== undefined && written.equals(Buffer.from(again))) exact.add(value);
}

/** Whether it was noted: nothing of how its client wrote it is lost. */
export function isKnownExact(value: unknown): boolean {
  return typeof value === 'object' && value !== null && exact.has(value);
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `null` is how clients leave a field out. */
export function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** The members of these names, as far as they are present. */
export function pick(from: Json, names: readonly string[]): Json {
  return Object.fromEntries(names.filter(name => isPresent(from[name])).map(name => [name, from[name]]));
}

/** All of a list as objects; undefined if it is anything else. */
export function objectsOf(value: unknown): readonly Json[] | undefined {
  return Array.isArray(value) && value.every(isObject) ? value : undefined;
}
