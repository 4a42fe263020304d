import type { TraceRequest } from './trace-request.ts';

/** What generated tokens begin at: no prompt of a trace has them. */
const GENERATED = 0x80000000;

/** Writes the prompt's tokens into `tokens`, from its beginning on. An id always stands for the same tokens. */
export function writePrompt(
  { inputTokens, tokensPerId, hashIds }: Omit<TraceRequest, 'atMs' | 'outputTokens'>,
  tokens: Uint32Array,
): void {
  for (let i = 0, at = 0; at < inputTokens; i++) {
    const id = hashIds[i]!;
    const end = Math.min(at + tokensPerId, inputTokens);
    // Ids have more than 32 bits: both halves matter.
    let state = Math.imul(id | 0, 0x9e3779b1) ^ Math.imul(Math.floor(id / 0x100000000) + 1, 0x85ebca6b);
    for (; at < end; at++) {
      state = (Math.imul(state, 0x915f77f5) + 0x6a09e667) | 0;
      tokens[at] = (state ^ (state >>> 15)) & 0x7fffffff;
    }
  }
}

/** Writes what request number `number` generates: tokens that no other request has. */
export function writeGenerated(number: number, tokens: Uint32Array): void {
  for (let i = 0; i < tokens.length; i++)
    tokens[i] = GENERATED + ((Math.imul(number, 0x9e3779b1) + i) & 0x7fffffff);
}
