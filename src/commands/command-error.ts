/** What keeps a command from running, in words for the operator: one line each, no stack. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
