import type { HubProblem } from '../tokenizer-files.ts';

/** No files from the hub. Never has the token, nor what a server answered. */
export class HubError extends Error {
  override readonly name = 'HubError';
  readonly problem: HubProblem;
  /** undefined: asking again soon would not help. Otherwise milliseconds that the hub wants to be left alone, at least. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: HubProblem, retryAfterMs?: number) {
    super(problem.kind);
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}
