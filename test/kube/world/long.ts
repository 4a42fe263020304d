/** A test that takes minutes, since a watch is given up no sooner: `npm run test:kube -- --long` has it, too. */
export const inLongRuns = (title: string, test: (this: Mocha.Context) => Promise<void>): Mocha.Test =>
  process.env.KUBE_LONG ? it(title, test) : it.skip(title, test);
