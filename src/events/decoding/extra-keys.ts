import type { ExtraKey } from './kv-event.ts';
import type { MsgpackReader } from './msgpack-reader.ts';

/** Engines send a text, or a list of a text and a number. */
const MAX_DEPTH = 8;

const NO_KEYS: readonly ExtraKey[] = [];

/**
 * The extra keys of all blocks of an event. undefined if any of them cannot be read: never less than was sent, or a
 * block could be taken for another one.
 */
export function readExtraKeys(reader: MsgpackReader): (readonly ExtraKey[] | undefined)[] | undefined {
  const length = reader.readArrayLength();
  if (length === undefined) return undefined;
  const blocks: (readonly ExtraKey[] | undefined)[] = [];
  for (let i = 0; i < length; i++) {
    const keys = reader.readNil() ? undefined : readKeysOfBlock(reader);
    if (keys === 'unreadable') return undefined;
    blocks.push(keys);
  }
  return blocks;
}

function readKeysOfBlock(reader: MsgpackReader): readonly ExtraKey[] | 'unreadable' {
  const length = reader.readArrayLength();
  if (length === undefined) return 'unreadable';
  if (length === 0) return NO_KEYS;
  const keys: ExtraKey[] = [];
  for (let i = 0; i < length; i++) {
    const text = reader.readText();
    const json = text === undefined ? readJson(reader, 0) : undefined;
    if (text !== undefined) keys.push({ kind: 'text', text });
    else if (json !== undefined) keys.push({ kind: 'other', json });
    else return 'unreadable';
  }
  return keys;
}

/**
 * The next value as JSON, to be compared with others of the same origin: the same value gives the same text whatever the
 * width of its integers. Bytes become `{"bytes": hex}`. undefined for what JSON cannot hold (extension types, texts that
 * are not UTF-8) and what is nested too deeply.
 */
function readJson(reader: MsgpackReader, depth: number): string | undefined {
  if (depth > MAX_DEPTH) return undefined;
  return readScalar(reader) ?? readArray(reader, depth) ?? readMap(reader, depth);
}

function readScalar(reader: MsgpackReader): string | undefined {
  if (reader.readNil()) return 'null';
  const scalar = reader.readText() ?? reader.readBoolean() ?? reader.readInteger() ?? reader.readFloat();
  if (scalar !== undefined) return JSON.stringify(scalar);
  const bytes = reader.readBytes();
  if (bytes !== undefined) return `{"bytes":"${Buffer.from(bytes).toString('hex')}"}`;
  // Only integers are left that a double cannot hold; negative ones appear as their unsigned bits.
  const wide = reader.readHash();
  return wide && ((BigInt(wide.hi) << 32n) | BigInt(wide.lo)).toString();
}

function readArray(reader: MsgpackReader, depth: number): string | undefined {
  const length = reader.readArrayLength();
  if (length === undefined) return undefined;
  const items: string[] = [];
  for (let i = 0; i < length; i++) {
    const item = readJson(reader, depth + 1);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return `[${items.join()}]`;
}

function readMap(reader: MsgpackReader, depth: number): string | undefined {
  const pairs = reader.readMapLength();
  if (pairs === undefined) return undefined;
  const members: string[] = [];
  for (let i = 0; i < pairs; i++) {
    const key = readScalar(reader);
    const value = key === undefined ? undefined : readJson(reader, depth + 1);
    if (key === undefined || value === undefined) return undefined;
    members.push(`${key.startsWith('"') ? key : JSON.stringify(key)}:${value}`);
  }
  return `{${members.join()}}`;
}
