/** Tokens as the OpenAI APIs of vLLM tell them. */

import type { EngineCore } from '../core.ts';
import type { Generation } from '../scheduler.ts';
import { reasoningTokensOf, type Script } from './answers.ts';
import type { Body } from './http.ts';

export interface TokenCounts {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  /** Tokens of the prompts' full blocks that were not cached before. */
  readonly createdTokens: number;
  /** Undefined: the model does not reason. */
  readonly reasoningTokens: number | undefined;
}

/** One prompt and what came of it. */
export interface Done {
  readonly promptTokens: readonly number[];
  readonly script: Script | undefined;
  readonly generation: Generation;
}

export function countsOf(core: EngineCore, done: readonly Done[]): TokenCounts {
  const { blockSizeTokens } = core.options;
  const sum = (countOf: (each: Done) => number) => done.reduce((total, each) => total + countOf(each), 0);
  return {
    promptTokens: sum(({ promptTokens }) => promptTokens.length),
    completionTokens: sum(({ generation }) => generation.tokenIds.length),
    cachedTokens: sum(({ generation }) => generation.cachedTokens),
    createdTokens: sum(({ promptTokens, generation }) => {
      const inFullBlocks = promptTokens.length - (promptTokens.length % blockSizeTokens);
      return Math.max(0, inFullBlocks - generation.cachedTokens);
    }),
    reasoningTokens: done.some(({ script }) => script?.reasons)
      ? sum(({ script, generation }) => reasoningTokensOf(script, generation))
      : undefined,
  };
}

/** Only 0.32's chat tells how many tokens it has newly cached. */
export type Api = 'chat' | 'completions';

export function wantsUsage({ stream_options: options }: Body): boolean {
  return typeof options === 'object' && options !== null && (options as Body).include_usage === true;
}

/** The usage object at the end of a stream: details are left out by 0.23 if nothing was cached. */
export function streamedUsage(core: EngineCore, api: Api, counts: TokenCounts) {
  const { cachedTokens: cached_tokens, createdTokens: created_cache_tokens, reasoningTokens } = counts;
  const base = tokenUsage(counts);
  if (core.dialect === '0.23') {
    return cached_tokens === 0 ? base : { ...base, prompt_tokens_details: { cached_tokens } };
  }
  return {
    ...base,
    prompt_tokens_details: api === 'chat' ? { cached_tokens, created_cache_tokens } : { cached_tokens },
    ...(reasoningTokens !== undefined && {
      completion_tokens_details: { reasoning_tokens: reasoningTokens },
    }),
  };
}

export function usage(core: EngineCore, api: Api, counts: TokenCounts) {
  const { cachedTokens: cached_tokens, createdTokens, reasoningTokens } = counts;
  const base = tokenUsage(counts);
  if (core.dialect === '0.23') {
    return { ...base, prompt_tokens_details: cached_tokens > 0 ? { cached_tokens } : null };
  }
  return {
    ...base,
    prompt_tokens_details: {
      cached_tokens,
      created_cache_tokens: api === 'chat' ? createdTokens : null,
      multimodal_tokens: null,
    },
    completion_tokens_details: reasoningTokens === undefined ? null : { reasoning_tokens: reasoningTokens },
  };
}

function tokenUsage({ promptTokens, completionTokens }: TokenCounts) {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
  };
}
