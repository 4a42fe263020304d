/**
 * The engine's own tokens without asking it: computed here where a model's tokenizer files are known and have been shown to give what
 * the engine does, asked for where not.
 */
import type { Pod, Tokens } from '../domain.ts';
import type { PromptRequest } from '../prompt/request.ts';
import type { Tokenizer } from '../prompt/tokenizer.ts';
import { type Clock, monotonicClock } from '../time.ts';
import type { ComputedTokens, ModelTokenizer } from './model-tokenizer.ts';
import type { ParityCheck } from './parity/parity-check.ts';
import type { ParityGuard } from './parity/parity-guard.ts';

/** Why a request's tokens were not computed here. `unloaded`: no files, or not yet; `unproven`, `doubted`: of its model and endpoint. */
export type NotComputed =
  | Extract<ComputedTokens, { readonly kind: 'none' }>['why']
  | 'unloaded'
  | 'unproven'
  | 'doubted';

/** What became of one prompt, for metrics. */
export type ExactTokensFact =
  | {
      readonly kind: 'computed';
      readonly characters: number;
      readonly newCharacters: number;
      readonly durationMs: number;
    }
  | { readonly kind: 'left_to_engine'; readonly why: NotComputed };

export interface ExactTokenizerParts {
  readonly models: {
    of(model: string): ModelTokenizer | undefined;
    /** Whether somebody says where its tokenizer files are. */
    expects(model: string): boolean;
  };
  readonly guard: ParityGuard;
  readonly check: ParityCheck;
  /** Of prompts whose tokens are not computed here. */
  readonly otherwise: Tokenizer;
  readonly onFact: (fact: ExactTokensFact) => void;
  readonly now?: Clock;
}

export function createExactTokenizer(parts: ExactTokenizerParts): Tokenizer {
  const { models, guard, check, otherwise, onFact, now = monotonicClock } = parts;

  /** undefined: they cannot be computed, or may not be used. */
  async function computed(prompt: PromptRequest, pods: readonly Pod[]): Promise<Tokens | undefined> {
    const startedAt = now();
    const leave = (why: NotComputed): undefined => {
      onFact({ kind: 'left_to_engine', why });
    };
    const { path } = prompt;
    const [pod] = pods;
    if (pod === undefined || !models.expects(pod.model)) return undefined;
    const model = models.of(pod.model);
    if (model === undefined) return leave('unloaded');
    if (!guard.mayUse(pod.model, path)) {
      check.prove(pod.model, path, pods);
      return leave(guard.isDoubted(pod.model, path) ? 'doubted' : 'unproven');
    }
    const tokens = await model.tokensOf(prompt);
    if (tokens.kind === 'none') return leave(tokens.why);
    const { ids, chains, characters, newCharacters } = tokens;
    onFact({ kind: 'computed', characters, newCharacters, durationMs: now() - startedAt });
    if (guard.wantsCheck(pod.model, path)) check.compareWithEngine(prompt, pods, ids);
    return { space: 'engine', ids, ...(chains && { chains }) };
  }

  return {
    async tokenize(prompt, pods, signal) {
      const { content } = prompt;
      if (content.kind === 'none') throw new TypeError('a request without a prompt has no tokens');
      if (content.kind === 'tokens') return { space: 'engine', ids: content.ids };
      const tokens = await computed(prompt, pods);
      if (tokens !== undefined) return tokens;
      const asked = await otherwise.tokenize(prompt, pods, signal);
      check.compareWithOurs(prompt, pods, asked);
      return asked;
    },

    async close() {
      await check.close();
      await otherwise.close();
    },
  };
}
