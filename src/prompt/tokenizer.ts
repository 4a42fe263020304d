/** How a prompt becomes tokens: what the remote and the local tokenizers have in common. */
import type { Pod, Tokens } from '../domain.ts';
import type { PromptRequest } from './request.ts';

export interface Tokenizer {
  /**
   * Token ids of the prompt, perhaps shared with other callers: not to be written to. `pods` are the ready pods of the
   * model: a remote tokenizer asks one of them. A prompt of content `none` has no tokens and may not be passed.
   * Rejects with TokenizerError only. Not terminal: the request is routed by load.
   */
  tokenize(prompt: PromptRequest, pods: readonly Pod[], signal: AbortSignal): Promise<Tokens>;
  /** Frees connections and timers. */
  close(): Promise<void>;
}

/**
 * - `unavailable`: no pod answered (connection refused, 5xx, circuit open);
 * - `refused`: the engine called the request invalid (4xx): the engine itself will tell the client;
 * - `no_form`: the engine serves nothing that this request could be tokenized with;
 * - `timeout`: not in time; `aborted`: the caller has gone.
 */
export type TokenizerErrorKind = 'unavailable' | 'refused' | 'no_form' | 'timeout' | 'aborted';

/** The reason of an abort because the time is over. Made once: an error costs a stack trace. */
export const TOO_LATE: Error = new DOMException('the time for it is over', 'TimeoutError');

/** Whether an abort comes from a deadline, and not from a caller who has gone. */
export function isDeadline({ reason }: AbortSignal): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError';
}

export class TokenizerError extends Error {
  override readonly name = 'TokenizerError';
  readonly kind: TokenizerErrorKind;
  constructor(kind: TokenizerErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
