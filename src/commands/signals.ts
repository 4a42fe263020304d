import { constants } from 'node:os';
import { endNow } from './end-process.ts';

export type EndingSignal = 'SIGTERM' | 'SIGINT';

const ENDING_SIGNALS: readonly EndingSignal[] = ['SIGTERM', 'SIGINT'];

/**
 * Catches SIGTERM and SIGINT: the first one aborts the result, with the signal's name as reason; a second one ends the process at
 * once. To be called before anything else happens: PID 1 of a container does not get a signal that it has no handler for.
 */
export function catchSignals(): AbortSignal {
  const ending = new AbortController();
  const onSignal = (name: EndingSignal) => {
    if (!ending.signal.aborted) {
      ending.abort(name);
      return;
    }
    for (const each of ENDING_SIGNALS) process.off(each, onSignal);
    process.kill(process.pid, name);
    // Still here: PID 1.
    endNow(128 + constants.signals[name]);
  };
  for (const name of ENDING_SIGNALS) process.on(name, onSignal);
  // By default a file that reaches the limit of its size (`ulimit -f`) ends the process. The write fails, too; that is enough.
  process.on('SIGXFSZ', () => {});
  return ending.signal;
}

/** Resolves to the signal that ends the process. */
export async function untilAborted(ending: AbortSignal): Promise<EndingSignal> {
  if (!ending.aborted)
    await new Promise(resolve => ending.addEventListener('abort', resolve, { once: true }));
  return ending.reason as EndingSignal;
}
