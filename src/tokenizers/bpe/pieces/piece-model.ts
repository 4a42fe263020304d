/** What makes token ids of pieces, made of a tokenizer's model. */
import type { MergeTable } from './merge-table.ts';

export interface PieceModel {
  readonly merges: MergeTable;
  readonly symbols: Symbols;
  /** By code unit, 1: no merge joins it with a `▁` behind it; undefined: pieces may not be cut there. */
  readonly cutsBehind: Uint8Array | undefined;
}

export interface Symbols {
  /** Writes what merging begins with, at most four for each code unit, or the one token that the piece is; gives how many. */
  write(text: string, from: number, to: number, into: Int32Array): number;
}
