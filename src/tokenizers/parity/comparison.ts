/** What comparing our tokens of a prompt with an engine's own came to. */

/**
 * - `different`: where the first difference is, counted from 0, and the two ids there; undefined: that list has ended;
 * - `unanswered`: nothing to compare with. `refused`: the engine calls the request invalid; `no_form`: it serves nothing that such a
 *   request could be tokenized with; `failed`: no engine answered.
 */
export type Comparison =
  | { readonly kind: 'equal' }
  | Difference
  | { readonly kind: 'unanswered'; readonly why: 'refused' | 'no_form' | 'failed' };

export interface Difference {
  readonly kind: 'different';
  readonly position: number;
  readonly ours: number | undefined;
  readonly engines: number | undefined;
}

export function compareIds(ours: Uint32Array, engines: Uint32Array): Comparison {
  const length = Math.max(ours.length, engines.length);
  for (let i = 0; i < length; i++)
    if (ours[i] !== engines[i]) return { kind: 'different', position: i, ours: ours[i], engines: engines[i] };
  return { kind: 'equal' };
}
