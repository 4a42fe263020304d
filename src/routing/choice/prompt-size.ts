/** How long a prompt is, in tokens of its engine: a guess where those are not known. */
import type { PromptRequest } from '../../prompt/request.ts';
import type { PrefixFound } from '../prefix-lookup.ts';
import type { PromptRecognized } from '../prompt-history.ts';
import type { LookupInput } from './lookup-input.ts';

/** Of English text, and of JSON. AIBrix reckons with it, too. */
const BYTES_PER_TOKEN = 4;

export interface PromptSize {
  readonly promptTokens: number;
  /** Per pod: those that it holds. */
  readonly matchedTokens: Uint32Array;
}

export interface PromptFacts {
  readonly prompt: Pick<PromptRequest, 'raw'>;
  readonly input: LookupInput;
  /** undefined: it was not looked up. */
  readonly found: Pick<PrefixFound, 'matchedTokens'> | undefined;
  /** undefined: it was not compared by its earlier turns. */
  readonly recognized: PromptRecognized | undefined;
  /** One for each pod, for a prompt of which nobody holds anything. */
  readonly none: Uint32Array;
}

export function promptSize({ prompt, input, found, recognized, none }: PromptFacts): PromptSize {
  if (input.kind !== 'tokens') {
    const promptTokens = Math.ceil(prompt.raw.length / BYTES_PER_TOKEN);
    return { promptTokens, matchedTokens: recognized ? shareOf(promptTokens, recognized) : none };
  }
  const { space, ids } = input.tokens;
  const matched = found?.matchedTokens ?? none;
  if (space !== 'character') return { promptTokens: ids.length, matchedTokens: matched };
  return {
    promptTokens: Math.ceil(ids.length / BYTES_PER_TOKEN),
    matchedTokens: matched.map(bytes => Math.floor(bytes / BYTES_PER_TOKEN)),
  };
}

function shareOf(tokens: number, { matched, total }: PromptRecognized): Uint32Array {
  return matched.map((turns, i) => (turns === 0 ? 0 : Math.floor((tokens * turns) / total[i]!)));
}
