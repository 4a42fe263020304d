/** What a choice is made by: a prompt's tokens, or why there are none. */
import type { Pod, Reason, Tokens, WithoutTokens } from '../../domain.ts';
import type { PromptRequest } from '../../prompt/request.ts';
import { TOO_LATE, type Tokenizer, TokenizerError } from '../../prompt/tokenizer.ts';
import { deadlineAfter } from '../../time.ts';
import type { Candidates } from '../candidates.ts';

/** What the policy can be asked by. */
export type LookupInput =
  | { readonly kind: 'tokens'; readonly tokens: Tokens }
  | { readonly kind: 'no_tokens'; readonly why: WithoutTokens }
  /** The strategy does not look at the prompt. */
  | { readonly kind: 'not_asked' }
  /** The pod made the response that the request names. */
  | { readonly kind: 'owner'; readonly pod: Pod }
  | { readonly kind: 'none'; readonly reason: Reason };

export interface PromptTokensParts {
  readonly candidates: Candidates;
  readonly tokenize: Tokenizer['tokenize'];
}

/** Never rejects. @param leftMs of the time for the decision */
export async function tokensOf(
  { candidates, tokenize }: PromptTokensParts,
  prompt: PromptRequest,
  pods: readonly Pod[],
  signal: AbortSignal,
  leftMs: number,
): Promise<LookupInput> {
  if (pods.length === 1) return { kind: 'none', reason: 'only_pod' };
  if (prompt.content.kind === 'none') return { kind: 'none', reason: 'no_prompt' };
  if (prompt.extraKey !== '') return { kind: 'no_tokens', why: 'private_key' };
  const deadline = deadlineAfter(leftMs, signal, TOO_LATE);
  const { pods: well } = candidates.wellAmong(pods, 'unwatched');
  try {
    return { kind: 'tokens', tokens: await deadline.race(tokenize(prompt, well, deadline.signal)) };
  } catch (error) {
    if (signal.aborted) return { kind: 'none', reason: 'cancelled' };
    return { kind: 'no_tokens', why: deadline.signal.aborted ? 'deadline' : whyWithout(error) };
  } finally {
    deadline.clear();
  }
}

function whyWithout(error: unknown): WithoutTokens {
  switch (error instanceof TokenizerError ? error.kind : undefined) {
    case 'refused':
      return 'prompt_refused';
    case 'no_form':
      return 'no_token_form';
    default:
      return 'tokenizer_failed';
  }
}
