/**
 * Parts of bodies that were parsed before. A conversation's next turn has its tools and all earlier messages again, as the client wrote
 * them: a list of messages that begins with the bytes of one that was parsed gets the objects of that time, and so do other long
 * members that have the same bytes. Only what is left is parsed. Bytes are compared whole, not by hashes.
 */
import { isAscii } from 'node:buffer';
import { endOfValue, firstMember, isList, type Member, memberBehind, objectsOfList } from './body-members.ts';
import { type Entry, SortedBytes } from './sorted-bytes.ts';

type Body = Record<string, unknown>;

/** Throws where the bytes are no JSON object. */
export type ParseBody = (bytes: Uint8Array) => Body;

/** Bytes of one body, by whether they had to be parsed. */
export type OnParsed = (bytes: { readonly known: number; readonly parsed: number }) => void;

/** What is shorter is parsed as fast as it is looked for. */
const MIN_BODY_BYTES = 8 * 1024;
const MIN_VALUE_BYTES = 1024;
/** Of the memory, for members that are no messages. */
const VALUES_SHARE = 1 / 4;
/** Of a message, or another object with a few members. */
const OBJECT_BYTES = 200;
/** What is kept may lie in a memory that is so many times as large. */
const SPARE = 1.25;
/** What endpoints call the list of a conversation, and what else comes again with each turn. */
const LISTS: ReadonlySet<string> = new Set(['messages', 'input']);
const REPEATED: ReadonlySet<string> = new Set(['tools', 'system', 'instructions', 'response_format']);

/** The beginning of a list, from behind its bracket to the end of a message. */
interface KnownList extends Entry {
  /** Where each message ends. */
  readonly ends: readonly number[];
  readonly messages: readonly unknown[];
}

interface KnownValue extends Entry {
  readonly value: unknown;
}

/** A list of objects in a body. */
interface FoundList {
  readonly name: string;
  /** Behind its bracket. */
  readonly start: number;
  /** Where each of them ends, from there. */
  readonly ends: readonly number[];
  /** As many of them are known, and equal the first ones of `known`. */
  readonly count: number;
  readonly known: KnownList | undefined;
}

/** A long member that is no such list. */
interface FoundValue {
  readonly name: string;
  readonly start: number;
  readonly end: number;
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
  parse(raw: Uint8Array, parse: ParseBody): Body {
    if (raw.length < this.#minBytes) return parse(raw);
    const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
    const found = this.#find(bytes);
    if (found === undefined) return parse(raw);
    const ranges = knownRanges(found);
    const body = ranges.length === 0 ? parse(raw) : withKnown(bytes, found, ranges, parse);
    const known = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    this.#onParsed({ known, parsed: raw.length - known });
    if (found.list !== undefined) this.#keepList(bytes, found.list, body[found.list.name]);
    for (const value of found.values) this.#keepValue(bytes, value, body[value.name]);
    return body;
  }

  /** undefined: it is no JSON, or two members may have one name. */
  #find(bytes: Buffer): Found | undefined {
    const names = new Set<string>();
    let list: FoundList | undefined;
    const values: FoundValue[] = [];
    for (let member: Member | 'end' | undefined = firstMember(bytes); member !== 'end'; ) {
      if (member === undefined || names.has(member.name)) return undefined;
      names.add(member.name);
      const { name, start } = member;
      const found = list === undefined && LISTS.has(name) ? this.#findList(bytes, member) : undefined;
      const end = found?.end ?? endOfValue(bytes, start);
      if (found !== undefined) list = found.list;
      else if (REPEATED.has(name) && end - start >= MIN_VALUE_BYTES)
        values.push({ name, start, end, known: this.#knownValue(bytes, start, end) });
      member = memberBehind(bytes, end);
    }
    return { list, values };
  }

  /** undefined: it is no list of objects. */
  #findList(
    bytes: Buffer,
    { name, start: value }: Member,
  ): { readonly list: FoundList; readonly end: number } | undefined {
    if (!isList(bytes, value)) return undefined;
    const start = value + 1;
    const [before, behind] = this.#lists.neighbours(bytes, start, bytes.length);
    const [one, other] = [before, behind].map(known => commonMessages(known, bytes, start));
    const [known, count] = one! >= other! ? [before, one!] : [behind, other!];
    const ends = known === undefined ? [] : known.ends.slice(0, count);
    const further = objectsOfList(bytes, start + (ends.at(-1) ?? 0));
    if (further === undefined || ends.length + further.items.length === 0) return undefined;
    for (const end of further.items) ends.push(end - start);
    return { list: { name, start, ends, count, known }, end: further.end };
  }

  #knownValue(bytes: Buffer, start: number, end: number): KnownValue | undefined {
    const [, known] = this.#values.neighbours(bytes, start, end);
    return known?.bytes.compare(bytes, start, end) === 0 ? known : undefined;
  }

  #keepList(bytes: Buffer, { start, ends, count, known }: FoundList, messages: unknown): void {
    if (known !== undefined && count === ends.length) {
      this.#lists.use(known);
      return;
    }
    // It is the beginning of this one.
    if (known !== undefined && count === known.ends.length) this.#lists.remove(known);
    const own = ownBytes(bytes, start, start + ends.at(-1)!);
    const costBytes = costOf(own) + OBJECT_BYTES * ends.length;
    this.#lists.add({ bytes: own, costBytes, ends, messages: messages as readonly unknown[] });
  }

  #keepValue(bytes: Buffer, { start, end, known }: FoundValue, value: unknown): void {
    if (known !== undefined) {
      this.#values.use(known);
      return;
    }
    const own = Buffer.from(bytes.subarray(start, end));
    this.#values.add({ bytes: own, costBytes: 2 * costOf(own), value });
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

function withKnown(bytes: Buffer, { list, values }: Found, ranges: readonly Range[], parse: ParseBody): Body {
  let body: Body;
  try {
    body = parse(withStandIns(bytes, ranges));
  } catch {
    // Where it is wrong is told of the whole.
    return parse(bytes);
  }
  for (const { name, known } of values) if (known !== undefined) body[name] = known.value;
  if (list !== undefined && list.count > 0) {
    const { name, known, count } = list;
    body[name] = [...known!.messages.slice(0, count), ...(body[name] as readonly unknown[]).slice(1)];
  }
  return body;
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

/** With the texts that were parsed from it. */
function costOf(bytes: Buffer): number {
  return bytes.length * (isAscii(bytes) ? 2 : 3);
}

/** A part of a larger memory would keep all of that. */
function ownBytes(bytes: Buffer, start: number, end: number): Buffer {
  const part = bytes.subarray(start, end);
  return part.length * SPARE < bytes.buffer.byteLength ? Buffer.from(part) : part;
}
