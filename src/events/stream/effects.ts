/** Effects and steps in few words. */
import type { Message } from './pending-messages.ts';
import type { ForgetReason, MessageOrigin, PublisherEffect, PublisherState, Step } from './state.ts';

type Dropped = PublisherEffect<never> & { readonly kind: 'drop' };

const NO_EFFECTS: readonly never[] = [];

export function to<P>(state: PublisherState<P>, ...effects: readonly PublisherEffect<P>[]): Step<P> {
  return { state, effects };
}

export function stay<P>(state: PublisherState<P>): Step<P> {
  return { state, effects: NO_EFFECTS };
}

export function apply<P>(message: Message<P>, from: MessageOrigin): PublisherEffect<P> {
  return { kind: 'apply', message, from };
}

export function forget(why: ForgetReason): PublisherEffect<never> {
  return { kind: 'forget', why };
}

/** What nothing is known of need not be forgotten. */
export function forgetIf(known: object | undefined, why: ForgetReason): PublisherEffect<never>[] {
  return known === undefined ? [] : [forget(why)];
}

export function drop(why: Dropped['why'], messages: number): PublisherEffect<never> {
  return { kind: 'drop', why, messages };
}

export function dropAll(
  { count }: { readonly count: number },
  why: Dropped['why'],
): PublisherEffect<never>[] {
  return count === 0 ? [] : [drop(why, count)];
}
