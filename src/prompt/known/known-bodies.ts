/**
 * Parts of bodies that were parsed before. A conversation's next turn has its tools and all earlier messages again, as the client wrote
 * them: a list of messages that begins with the bytes of one that was parsed gets the objects of that time, and so do other long
 * members that have the same bytes. Only what is left is parsed. Bytes are compared whole, not by hashes.
 */
import { isAscii } from 'node:buffer';
import { type Json, noteExact } from '../exact-json.ts';
import { BodyScanner, type Member } from './body-scanner.ts';
import { type Entry, SortedBytes } from './sorted-bytes.ts';

/** Throws where the bytes are no JSON object. */
export type ParseBody = (bytes: Uint8Array) => Json;

/** Bytes of one body, by whether they had to be parsed. */
export type OnParsed = (bytes: { readonly known: number; readonly parsed: number }) => void;

/** What is shorter is parsed as fast as it is looked for, or takes more to keep than it is worth. */
const MIN_BODY_BYTES = 8 * 1024;
const MIN_LIST_BYTES = 4 * 1024;
const MIN_VALUE_BYTES = 1024;
/** Bodies have some twenty members. */
const MAX_MEMBERS = 100;
/** Of the memory, for members that are no messages. */
const VALUES_SHARE = 1 / 4;
/** Of an entry and its lists. */
const ENTRY_BYTES = 1024;
/** What is kept may lie in a memory that is so many times as large. */
const SPARE = 1.25;
/** What endpoints call the list of a conversation, and what else comes again with each turn. */
const LISTS: ReadonlySet<string> = new Set(['messages', 'input']);
const REPEATED: ReadonlySet<string> = new Set(['tools', 'system', 'instructions', 'response_format']);

/** Where messages of a list end, and what is parsed of it up to there takes beside its texts. */
interface Ends {
  readonly ends: readonly number[];
  readonly structureBytes: readonly number[];
}

/** The beginning of a list, from behind its bracket to the end of a message. */
interface KnownList extends Entry, Ends {
  readonly messages: readonly unknown[];
}

interface KnownValue extends Entry {
  readonly value: unknown;
}

/** A list of objects in a body. */
interface FoundList extends Ends {
  readonly name: string;
  /** Behind its bracket, from where ends are counted. */
  readonly start: number;
  /** As many of them are known, and equal the first ones of `known`. */
  readonly count: number;
  readonly known: KnownList | undefined;
}

/** A long member that is no such list. */
interface FoundValue {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly structureBytes: number;
  readonly known: KnownValue | undefined;
}

interface Found {
  readonly list: FoundList | undefined;
  readonly values: readonly FoundValue[];
}

export class KnownBodies {
  readonly #lists: SortedBytes<KnownList>;
  readonly #values: SortedBytes<KnownValue>;
  readonly #minBytes: number;
  readonly #onParsed: OnParsed;

  /** @param maxBytes of what is kept; 0 keeps nothing */
  constructor(maxBytes: number, onParsed: OnParsed = () => {}) {
    this.#onParsed = onParsed;
    this.#lists = new SortedBytes(maxBytes * (1 - VALUES_SHARE));
    this.#values = new SortedBytes(maxBytes * VALUES_SHARE);
    this.#minBytes = maxBytes === 0 ? Number.POSITIVE_INFINITY : MIN_BODY_BYTES;
  }

  /** What is kept now. Messages that several lists have count for each. */
  get bytes(): number {
    return this.#lists.bytes + this.#values.bytes;
  }

  /**
   * What `parse` makes of `raw`, which must stay as it is. Parts of it may be those of earlier bodies, which nobody may change. Throws
   * what `parse` throws.
   */
  parse(raw: Uint8Array, parse: ParseBody): Json {
    if (raw.length < this.#minBytes) return parse(raw);
    const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
    const found = this.#find(bytes);
    if (found === undefined) return parse(raw);
    const ranges = knownRanges(found);
    const body = ranges.length === 0 ? parse(raw) : withKnown(bytes, found, ranges, parse);
    const known = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    this.#onParsed({ known, parsed: raw.length - known });
    if (found.list !== undefined)
      this.#keepList(bytes, found.list, body[found.list.name] as readonly unknown[]);
    for (const value of found.values) this.#keepValue(bytes, value, body[value.name]);
    return body;
  }

  /** undefined: it is no JSON, or two members may have one name. */
  #find(bytes: Buffer): Found | undefined {
    const scanner = new BodyScanner(bytes);
    const names = new Set<string>();
    let list: FoundList | undefined;
    const values: FoundValue[] = [];
    for (let member: Member | 'end' | undefined = scanner.firstMember(); member !== 'end'; ) {
      if (member === undefined || names.has(member.name) || names.size === MAX_MEMBERS) return undefined;
      names.add(member.name);
      const { name, start } = member;
      const found =
        list === undefined && LISTS.has(name) ? this.#findList(bytes, member, scanner) : undefined;
      scanner.structureBytes = 0;
      const end = found?.end ?? scanner.endOfValue(start);
      const { structureBytes } = scanner;
      if (found !== undefined) list = found.list;
      else if (REPEATED.has(name) && end - start >= MIN_VALUE_BYTES)
        values.push({ name, start, end, structureBytes, known: this.#knownValue(bytes, start, end) });
      member = scanner.memberBehind(end);
    }
    return { list, values };
  }

  /** undefined: it is no list of objects. */
  #findList(
    bytes: Buffer,
    { name, start: value }: Member,
    scanner: BodyScanner,
  ): { readonly list: FoundList; readonly end: number } | undefined {
    if (!scanner.isList(value)) return undefined;
    const start = value + 1;
    const [before, behind] = this.#lists.neighbours(bytes, start, bytes.length);
    const [one, other] = [before, behind].map(known => commonMessages(known, bytes, start));
    const [known, count] = one! >= other! ? [before, one!] : [behind, other!];
    const ends = known?.ends.slice(0, count) ?? [];
    const structureBytes = known?.structureBytes.slice(0, count) ?? [];
    scanner.structureBytes = structureBytes.at(-1) ?? 0;
    const further = scanner.objectsOfList(start + (ends.at(-1) ?? 0));
    if (further === undefined || ends.length + further.ends.length === 0) return undefined;
    for (const end of further.ends) ends.push(end - start);
    for (const each of further.structureBytes) structureBytes.push(each);
    return { list: { name, start, ends, structureBytes, count, known }, end: further.end };
  }

  #knownValue(bytes: Buffer, start: number, end: number): KnownValue | undefined {
    const [, known] = this.#values.neighbours(bytes, start, end);
    return known?.bytes.compare(bytes, start, end) === 0 ? known : undefined;
  }

  #keepList(
    bytes: Buffer,
    { start, ends, structureBytes, count, known }: FoundList,
    messages: readonly unknown[],
  ): void {
    if (known !== undefined && count === ends.length) {
      this.#lists.use(known);
      return;
    }
    const end = start + ends.at(-1)!;
    const part = bytes.subarray(start, end);
    const costBytes = ENTRY_BYTES + textBytes(part) + structureBytes.at(-1)!;
    if (part.length < MIN_LIST_BYTES || !this.#lists.takes(costBytes)) return;
    // What is the beginning of this one is of no use any more.
    const instead = count === known?.ends.length ? known : undefined;
    this.#lists.add({ bytes: ownBytes(part), costBytes, ends, structureBytes, messages }, instead);
  }

  #keepValue(bytes: Buffer, { start, end, structureBytes, known }: FoundValue, value: unknown): void {
    if (known !== undefined) {
      this.#values.use(known);
      return;
    }
    const part = bytes.subarray(start, end);
    // It is written once more where a template prints it.
    const costBytes = ENTRY_BYTES + 2 * textBytes(part) + structureBytes;
    if (!this.#values.takes(costBytes)) return;
    noteExact(value, part);
    this.#values.add({ bytes: copyOf(part), costBytes, value });
  }
}

/** How many messages of `known` stand in `bytes` from `start` on. */
function commonMessages(known: KnownList | undefined, bytes: Buffer, start: number): number {
  if (known === undefined) return 0;
  const { ends } = known;
  const isSame = (from: number, to: number) =>
    start + to <= bytes.length && known.bytes.compare(bytes, start + from, start + to, from, to) === 0;
  let [count, to] = [0, ends.length];
  // All of them, where a conversation goes on.
  for (let tried = to; count < to; tried = (count + to + 1) >>> 1) {
    if (isSame(ends[count - 1] ?? 0, ends[tried - 1]!)) count = tried;
    else to = tried - 1;
  }
  return count;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** In their order. */
function knownRanges({ list, values }: Found): readonly Range[] {
  const ranges: Range[] = values.filter(({ known }) => known !== undefined);
  if (list !== undefined && list.count > 0)
    ranges.push({ start: list.start, end: list.start + list.ends[list.count - 1]! });
  return ranges.sort((a, b) => a.start - b.start);
}

/** Stands for each known part: what is left is JSON if, and only if, the whole is. */
const STAND_IN = new TextEncoder().encode('null');

function withKnown(bytes: Buffer, { list, values }: Found, ranges: readonly Range[], parse: ParseBody): Json {
  let body: Json;
  try {
    body = parse(withStandIns(bytes, ranges));
  } catch {
    // Where it is wrong is told of the whole.
    return parse(bytes);
  }
  const members: Record<string, unknown> = {};
  for (const { name, known } of values) if (known !== undefined) members[name] = known.value;
  if (list !== undefined && list.count > 0) {
    const { name, known, count } = list;
    members[name] = [...known!.messages.slice(0, count), ...(body[name] as readonly unknown[]).slice(1)];
  }
  return { ...body, ...members };
}

function withStandIns(bytes: Buffer, ranges: readonly Range[]): Buffer {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { start, end } of ranges) {
    parts.push(bytes.subarray(at, start), STAND_IN);
    at = end;
  }
  return Buffer.concat([...parts, bytes.subarray(at)]);
}

/** Of JSON, and of the texts that are parsed from it. */
function textBytes(bytes: Buffer): number {
  return bytes.length * (isAscii(bytes) ? 2 : 3);
}

/** A part of a larger memory would keep all of that. */
function ownBytes(part: Buffer): Buffer {
  return part.length * SPARE < part.buffer.byteLength ? copyOf(part) : part;
}

/** In memory of its own: `Buffer.from` takes a piece of one that others have pieces of. */
function copyOf(part: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(part.length);
  part.copy(copy);
  return copy;
}
