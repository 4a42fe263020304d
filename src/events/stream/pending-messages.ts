/** One batch of the stream, undecoded. */
export interface Message<P> {
  /** A publisher counts its batches from 0, and from 0 again after a restart. */
  readonly sequence: number;
  /** Only ever compared with another one, and handed back. */
  readonly payload: P;
  readonly bytes: number;
}

/**
 * Live messages that wait, in rising sequence. Immutable; adding one and taking the first are O(1) on average, as thousands wait for
 * a long replay.
 */
export interface PendingMessages<P> {
  readonly count: number;
  readonly bytes: number;
  readonly newest: Message<P> | undefined;
  /** The oldest ones, from `head` on: never empty while anything waits. */
  readonly front: readonly Message<P>[];
  readonly head: number;
  /** Those behind `front`, newest first. */
  readonly back: Node<P> | undefined;
}

interface Node<P> {
  readonly message: Message<P>;
  readonly older: Node<P> | undefined;
}

export const NOTHING_PENDING: PendingMessages<never> = {
  count: 0,
  bytes: 0,
  newest: undefined,
  front: [],
  head: 0,
  back: undefined,
};

export function pendingOf<P>(messages: readonly Message<P>[]): PendingMessages<P> {
  const bytes = messages.reduce((sum, message) => sum + message.bytes, 0);
  return {
    count: messages.length,
    bytes,
    newest: messages.at(-1),
    front: messages,
    head: 0,
    back: undefined,
  };
}

export function withMessage<P>(pending: PendingMessages<P>, message: Message<P>): PendingMessages<P> {
  if (pending.count === 0) return pendingOf([message]);
  return {
    count: pending.count + 1,
    bytes: pending.bytes + message.bytes,
    newest: message,
    front: pending.front,
    head: pending.head,
    back: { message, older: pending.back },
  };
}

export function firstOf<P>({ front, head }: PendingMessages<P>): Message<P> | undefined {
  return front[head];
}

export function withoutFirst<P>(pending: PendingMessages<P>): PendingMessages<P> {
  const { count, bytes, newest, front, head, back } = pending;
  if (count <= 1) return NOTHING_PENDING;
  const rest = { count: count - 1, bytes: bytes - front[head]!.bytes, newest };
  return head + 1 < front.length
    ? { ...rest, front, head: head + 1, back }
    : { ...rest, front: inOrder(back), head: 0, back: undefined };
}

/** In rising sequence. */
export function messagesOf<P>({ front, head, back }: PendingMessages<P>): Message<P>[] {
  return [...front.slice(head), ...inOrder(back)];
}

/** The newest of them that follow one another without a hole. */
export function lastRunOf<P>(pending: PendingMessages<P>): readonly Message<P>[] {
  const messages = messagesOf(pending);
  let start = messages.length - 1;
  while (start > 0 && messages[start - 1]!.sequence + 1 === messages[start]!.sequence) start--;
  return messages.slice(Math.max(0, start));
}

function inOrder<P>(newest: Node<P> | undefined): Message<P>[] {
  const messages: Message<P>[] = [];
  for (let at = newest; at !== undefined; at = at.older) messages.push(at.message);
  return messages.reverse();
}
