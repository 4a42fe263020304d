/** What a tokenizer file asks for, of all that is done here. */
import type { AddedToken } from './added-tokens.ts';
import type { NormalizationForm } from './unicode/normalization.ts';

export type TextPattern =
  | { readonly kind: 'text'; readonly text: string }
  /** Oniguruma's. */
  | { readonly kind: 'regex'; readonly regex: string };

export type NormalizerShape =
  | { readonly kind: 'form'; readonly form: NormalizationForm }
  | { readonly kind: 'replace'; readonly pattern: TextPattern; readonly content: string }
  | { readonly kind: 'prepend'; readonly text: string };

export const SPLIT_BEHAVIORS = [
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
] as const;

export type SplitBehavior = (typeof SPLIT_BEHAVIORS)[number];

export type PreTokenizerShape =
  | {
      readonly kind: 'split';
      readonly pattern: TextPattern;
      readonly behavior: SplitBehavior;
      readonly invert: boolean;
    }
  | { readonly kind: 'digits'; readonly individual: boolean }
  | {
      readonly kind: 'metaspace';
      readonly replacement: string;
      readonly prepend: 'always' | 'first' | 'never';
      readonly split: boolean;
    }
  /** Always the last one: what comes out is bytes. */
  | { readonly kind: 'byte_level'; readonly addPrefixSpace: boolean; readonly useRegex: boolean };

export interface ModelShape {
  readonly vocabulary: ReadonlyMap<string, number>;
  /** left, right, left, right …, in the order of their ranks. */
  readonly merges: readonly string[];
  readonly unknown: string | undefined;
  readonly fuseUnknown: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
}

/** What is done to a text before its pieces come to the model. */
export interface TextSteps {
  readonly normalizers: readonly NormalizerShape[];
  readonly preTokenizers: readonly PreTokenizerShape[];
  /** In the order in which the file has them; ids are as Hugging Face's library gives them. */
  readonly addedTokens: readonly AddedToken[];
}

export interface TokenizerShape extends TextSteps {
  readonly model: ModelShape;
  /** What `add_special_tokens` puts before and behind a text. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}
