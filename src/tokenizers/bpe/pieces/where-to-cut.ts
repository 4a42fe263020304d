/** Where long pieces of SentencePiece's vocabularies may be cut. */
import type { ModelShape } from '../shape.ts';
import type { Merges } from './merges.ts';
import { byteToken, META } from './sentencepiece.ts';

/**
 * By code unit, 1: a piece may be cut behind it and before a `▁`; undefined: nowhere. A piece may be cut where no merge can reach across: before a `▁` behind a code unit that stands before `▁` in no result of a
 * merge. Not where tokens stand for other text than they spell, nor where characters may be left out, whose neighbours then meet.
 */
export function whereToCut(
  { vocabulary, unknown, byteFallback, ignoreMerges }: ModelShape,
  { results, parts }: Merges,
): Uint8Array | undefined {
  const misspelt = [
    ...(unknown === undefined ? [] : [unknown]),
    ...(byteFallback ? Array.from({ length: 256 }, (_, byte) => byteToken(byte)) : []),
  ];
  const leavesOut =
    unknown === undefined && !(byteFallback && misspelt.every(token => vocabulary.has(token)));
  const isMerged = (token: string) => parts.has(vocabulary.get(token) ?? -1);
  if (ignoreMerges || leavesOut || !vocabulary.has(META) || misspelt.some(isMerged)) return undefined;
  const cuts = new Uint8Array(1 << 16).fill(1);
  for (const result of results) {
    for (let at = result.indexOf(META, 1); at >= 0; at = result.indexOf(META, at + 1)) {
      cuts[result.charCodeAt(at - 1)] = 0;
    }
  }
  return cuts;
}
