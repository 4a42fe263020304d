/** Our tokens of a prompt beside an engine's own, and what that came to. */
import type { Pod } from '../../domain.ts';
import type { PromptRequest } from '../../prompt/request.ts';
import { type Tokenizer, TokenizerError } from '../../prompt/tokenizer.ts';

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

/** Asks one of `pods` for the tokens of `prompt`. Rejects only with what is no TokenizerError. */
export async function compareWithEngine(
  engines: Pick<Tokenizer, 'tokenize'>,
  prompt: PromptRequest,
  pods: readonly Pod[],
  ours: Uint32Array,
  signal: AbortSignal,
): Promise<Comparison> {
  try {
    const { ids } = await engines.tokenize(prompt, pods, signal);
    return compareIds(ours, ids);
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    const { kind } = error;
    return { kind: 'unanswered', why: kind === 'refused' || kind === 'no_form' ? kind : 'failed' };
  }
}
