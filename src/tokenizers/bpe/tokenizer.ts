/** A tokenizer from its files: what is known of it, and the ids of texts. */
import { byteModel, byteTables } from './pieces/byte-model.ts';
import { characterModel } from './pieces/character-model.ts';
import { areIndependent } from './segments.ts';
import type { TokenizerShape } from './shape.ts';
import { type SharedEncoder, sharedWhereHarmless } from './shared-encoder.ts';
import { TextEncoder } from './text-encoder.ts';
import { type Boundary, boundariesOf } from './text-splitter.ts';
import { readTokenizerFile } from './tokenizer-file.ts';
import { asTransformersLoads, type ConfigFiles } from './transformers-loading.ts';

export interface LoadedTokenizer {
  readonly boundaries: readonly Boundary[];
  readonly segments: 'independent' | 'whole';
  readonly before: Uint32Array;
  readonly after: Uint32Array;
  /** For short texts on another thread; undefined: only this one may have it. */
  readonly shared: SharedEncoder | undefined;
  /** Ids of all texts, one behind the other, and how many each has. */
  encode(texts: readonly string[]): { ids: Uint32Array<ArrayBuffer>; lengths: readonly number[] };
}

const CACHED_PIECES = 1 << 16;

/** Throws UnsupportedTokenizer or InvalidTokenizer. */
export function loadTokenizer(tokenizerJson: string, configs: ConfigFiles): LoadedTokenizer {
  const shape = asTransformersLoads(readTokenizerFile(tokenizerJson), configs);
  const tables = isOfBytes(shape) ? byteTables(shape.model) : undefined;
  const encoder = new TextEncoder(
    shape,
    tables ? byteModel(tables) : characterModel(shape.model),
    CACHED_PIECES,
  );
  const { addedTokens, normalizers } = shape;
  // In a text that is normalized, nobody knows where in the text as it came a token is.
  const boundaries = boundariesOf(
    addedTokens.filter(({ normalized }) => !normalized || normalizers.length === 0),
  );
  return {
    boundaries,
    segments: areIndependent(shape, encoder, boundaries) ? 'independent' : 'whole',
    before: Uint32Array.from(shape.before),
    after: Uint32Array.from(shape.after),
    shared: tables && sharedWhereHarmless(shape, tables),
    encode: texts => {
      const all = texts.map(text => encoder.encode(text));
      const lengths = all.map(({ length }) => length);
      const [first] = all;
      if (all.length === 1) return { ids: first!, lengths };
      const ids = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0));
      let at = 0;
      for (const one of all) {
        ids.set(one, at);
        at += one.length;
      }
      return { ids, lengths };
    },
  };
}

function isOfBytes({ preTokenizers }: TokenizerShape): boolean {
  return preTokenizers.at(-1)?.kind === 'byte_level';
}
