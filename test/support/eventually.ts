import { setTimeout as delay } from 'node:timers/promises';

/**
 * Looks at something real until it is as wanted: resolves to the first answer that is neither undefined nor false. For what
 * another process shows but does not announce; where there is an event, wait for the event.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await look();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}
