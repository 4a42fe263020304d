import { TOKENS_PER_ID, type TraceRequest } from '../trace/trace-request.ts';

/** A prompt, or a beginning of one: its tokens and the ids of its blocks. */
export type Prompt = Pick<TraceRequest, 'inputTokens' | 'hashIds'>;

export const EMPTY: Prompt = { inputTokens: 0, hashIds: [] };

/** Makes prompts of new text, and prompts that begin as others. */
export class Prompts {
  #nextId: number;

  constructor(firstId: number) {
    this.#nextId = firstId;
  }

  /** So many tokens that nobody has seen, after those of `before`. Its last block, where it is not full, becomes another one. */
  after(before: Prompt, tokens: number): Prompt {
    const whole = Math.floor(before.inputTokens / TOKENS_PER_ID);
    const inputTokens = before.inputTokens + tokens;
    const hashIds = before.hashIds.slice(0, whole);
    while (hashIds.length * TOKENS_PER_ID < inputTokens) hashIds.push(this.#nextId++);
    return { inputTokens, hashIds };
  }

  /** New text in whole blocks, which others can be put behind. */
  whole(tokens: number): Prompt {
    return this.after(EMPTY, TOKENS_PER_ID * Math.max(1, Math.round(tokens / TOKENS_PER_ID)));
  }

  /** Texts of whole blocks, one behind the other. */
  joined(...parts: readonly Prompt[]): Prompt {
    return {
      inputTokens: parts.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
      hashIds: parts.flatMap(({ hashIds }) => hashIds),
    };
  }
}
