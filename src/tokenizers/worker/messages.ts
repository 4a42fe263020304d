/** What a tokenizer's thread and the main thread say to each other. */

import type { SharedEncoder } from '../bpe/shared-encoder.ts';
import type { Boundary } from '../bpe/text-splitter.ts';
import type { ConfigFiles } from '../bpe/transformers-loading.ts';

export interface WorkerInput extends ConfigFiles {
  readonly tokenizerJson: string;
  readonly maxBytes: number;
}

export type RefusalKind = 'unsupported' | 'invalid' | 'too_large';

/** The first message from the thread. */
export type Loaded =
  | {
      readonly kind: 'ready';
      readonly boundaries: readonly Boundary[];
      readonly segments: 'independent' | 'whole';
      readonly before: Uint32Array;
      readonly after: Uint32Array;
      /** For short texts on the main thread; undefined: all texts are the thread's. */
      readonly shared: SharedEncoder | undefined;
    }
  | { readonly kind: 'refused'; readonly refusal: RefusalKind; readonly why: string };

export type EncodeRequest = readonly string[];

/** Ids of all texts, one behind the other, and how many each has; a text: it could not be done, and why. */
export type EncodeAnswer =
  | { readonly ids: Uint32Array<ArrayBuffer>; readonly lengths: readonly number[] }
  | { readonly failed: string };
