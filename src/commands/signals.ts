/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
export function untilTerminated(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    const signals = ['SIGTERM', 'SIGINT'] as const;
    const onSignal = (signal: NodeJS.Signals) => {
      for (const name of signals) process.off(name, onSignal);
      resolve(signal);
    };
    for (const name of signals) process.on(name, onSignal);
  });
}
