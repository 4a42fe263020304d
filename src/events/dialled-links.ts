import type { Publisher } from './publisher.ts';
import type { Caller } from './wire/sockets.ts';

/**
 * By which of their connections engines that dial are heard. A new connection may be a new process's, whose numbers happen to go on
 * where the old one stopped; the end of one is the only word of an engine that is gone.
 */
export class DialledLinks {
  readonly #callers = new Map<Publisher, Caller>();
  readonly #publishers = new Map<Caller, Set<Publisher>>();

  /** A message of the publisher is about to be handed to it. */
  heard(publisher: Publisher, caller: Caller): void {
    const before = this.#callers.get(publisher);
    // One that was replaced and speaks still is another publisher on the same stream: its numbers will show that.
    if (before !== undefined && before.number >= caller.number) return;
    if (before !== undefined) this.#lost(publisher, before);
    this.#callers.set(publisher, caller);
    this.#publishers.set(caller, (this.#publishers.get(caller) ?? new Set()).add(publisher));
    publisher.link('connected');
  }

  /** Nothing more comes by this connection. */
  ended(caller: Caller): void {
    for (const publisher of this.#publishers.get(caller) ?? []) this.#lost(publisher, caller);
  }

  /** It is not followed any more. */
  left(publisher: Publisher): void {
    const caller = this.#callers.get(publisher);
    if (caller !== undefined) this.#part(publisher, caller);
  }

  #lost(publisher: Publisher, caller: Caller): void {
    this.#part(publisher, caller);
    publisher.link('lost');
  }

  #part(publisher: Publisher, caller: Caller): void {
    this.#callers.delete(publisher);
    const publishers = this.#publishers.get(caller);
    publishers?.delete(publisher);
    if (publishers?.size === 0) this.#publishers.delete(caller);
  }
}
