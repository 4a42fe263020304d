import { setTimeout as delay } from 'node:timers/promises';

/** Asks until the answer is defined. An error counts as no answer; the last one is the cause of the one thrown here. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let cause: unknown;
  while (Date.now() < deadline) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      cause = error;
    }
    await delay(250);
  }
  throw new Error(`not within ${timeoutMs / 1000} s: ${what}${cause ? ` (${String(cause)})` : ''}`, {
    cause,
  });
}
