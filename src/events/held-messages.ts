/** One batch of the stream, undecoded. */
export interface Message<P> {
  /** A publisher counts its batches from 0, and from 0 again after a restart. */
  readonly sequence: number;
  /** Only ever compared with another one, and handed back. */
  readonly payload: P;
  readonly bytes: number;
}

/** Live messages that wait, in rising sequence. Immutable, and adding one costs O(1): thousands wait for a long replay. */
export interface Held<P> {
  readonly count: number;
  readonly bytes: number;
  readonly newest: Message<P> | undefined;
  readonly before: Held<P> | undefined;
}

export const NOTHING_HELD: Held<never> = { count: 0, bytes: 0, newest: undefined, before: undefined };

export function hold<P>(held: Held<P>, message: Message<P>): Held<P> {
  return { count: held.count + 1, bytes: held.bytes + message.bytes, newest: message, before: held };
}

export function holdAll<P>(messages: readonly Message<P>[]): Held<P> {
  return messages.reduce<Held<P>>(hold, NOTHING_HELD);
}

/** In rising sequence. */
export function heldMessages<P>(held: Held<P>): Message<P>[] {
  const messages: Message<P>[] = [];
  for (let at: Held<P> | undefined = held; at?.newest !== undefined; at = at.before) messages.push(at.newest);
  return messages.reverse();
}

/** The newest of them that follow one another without a hole. */
export function lastRun<P>(messages: readonly Message<P>[]): readonly Message<P>[] {
  let start = messages.length - 1;
  while (start > 0 && messages[start - 1]!.sequence + 1 === messages[start]!.sequence) start--;
  return messages.slice(Math.max(0, start));
}
