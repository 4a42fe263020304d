/** A choice that was made. */
import type { Decision, Pod, RoutedDecision } from '../../domain.ts';
import type { PromptRequest } from '../../prompt/request.ts';
import type { PrefixFound } from '../prefix-lookup.ts';
import type { Course } from './course.ts';
import type { LookupInput } from './lookup-input.ts';

/** How many tokens a prompt has; a guess where it has none. */
export interface PromptTokens {
  readonly all: number;
  /** Those that the pod is expected to compute. */
  readonly uncached: number;
}

/** What becomes of a request. */
export type Choice =
  | { readonly kind: 'no_pod'; readonly decision: Exclude<Decision, RoutedDecision>; readonly course: Course }
  | PodChoice;

export interface PodChoice {
  readonly kind: 'pod';
  readonly decision: RoutedDecision;
  readonly course: Course;
  readonly prompt: PromptRequest;
  readonly input: LookupInput;
  /** undefined: the prompt has no tokens, or was not looked up. */
  readonly found: PrefixFound | undefined;
  readonly promptTokens: PromptTokens;
  /** Those that were chosen from, and how many tokens of the prompt each holds: valid until the next choice. */
  readonly candidates: { readonly pods: readonly Pod[]; readonly matchedTokens: Uint32Array };
}
