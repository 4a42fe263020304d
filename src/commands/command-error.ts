/** What keeps a command from running, in words for the operator: one line each, no stack. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly problems: readonly string[];
  readonly exitCode: number;

  constructor(problems: readonly string[], exitCode = 1) {
    super(problems.join('\n'));
    this.problems = problems;
    this.exitCode = exitCode;
  }
}
