import { type Tokenizer, TokenizerError } from './tokenizer.ts';

/**
 * Asks `first`, and where it has no answer, `second`. Their tokens are of different spaces, so a prompt that was
 * tokenized by one never matches what the other has left in the routing history.
 */
export function withFallback(first: Tokenizer, second: Tokenizer): Tokenizer {
  return {
    async tokenize(prompt, pods, signal) {
      try {
        return await first.tokenize(prompt, pods, signal);
      } catch (error) {
        if (!(error instanceof TokenizerError) || signal.aborted) throw error;
        return second.tokenize(prompt, pods, signal);
      }
    },
    async close() {
      await Promise.all([first.close(), second.close()]);
    },
  };
}
