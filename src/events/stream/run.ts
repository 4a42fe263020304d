/** The run of batches that is known: how it begins, grows and is followed. */
import type { Breaks } from './breaks.ts';
import { apply } from './effects.ts';
import type { Message } from './pending-messages.ts';
import type { Cold, ColdReason, Known, Live, PublisherEffect, PublisherRules, Step } from './state.ts';

/** What every state says of the live stream. */
export type Heard = Pick<Live<unknown>, 'watermark' | 'breaks'>;

/** A run that begins with `message`: all there is if it is the first one, in part otherwise. */
export function begin<P>(
  message: Message<P>,
  why: ColdReason,
  breaks: Breaks,
  effects: readonly PublisherEffect<P>[],
): Step<P> {
  const { sequence, payload } = message;
  const known = { next: sequence + 1, last: payload, cold: sequence === 0 ? undefined : why };
  return settle(known, { watermark: sequence + 1, breaks }, [...effects, apply(message, 'live')]);
}

/** Nothing waits any more. */
export function settle<P>(
  { next, last, cold }: Known<P>,
  { watermark, breaks }: Heard,
  effects: readonly PublisherEffect<P>[],
): Step<P> {
  return cold === undefined
    ? { state: { kind: 'live', next, last, watermark, breaks }, effects }
    : { state: { kind: 'cold', next, last, watermark, breaks, why: cold }, effects };
}

/** Nothing is known, and whatever comes first begins a new run. */
export function coldAnywhere<P>(why: ColdReason, { watermark, breaks }: Heard): Cold<P> {
  return { kind: 'cold', next: undefined, last: undefined, watermark, breaks, why };
}

export function knownOf<P>(state: Live<P> | Cold<P>): Known<P> | undefined {
  const { next, last } = state;
  return next === undefined ? undefined : { next, last, cold: state.kind === 'cold' ? state.why : undefined };
}

export function extended<P>(known: Known<P>, { sequence, payload }: Message<P>): Known<P> {
  return { next: sequence + 1, last: payload, cold: known.cold };
}

/** The last batch of the run once more. */
export function repeats<P>(
  { next, last }: Known<P>,
  { sequence, payload }: Message<P>,
  { same }: PublisherRules<P>,
): boolean {
  return sequence === next - 1 && last !== undefined && same(last, payload);
}

/** A publisher that has nothing to say may say so, under the number of its last batch. */
export function isHeartbeat<P>(
  { sequence, payload }: Message<P>,
  next: number | undefined,
  watermark: number | undefined,
  { isEmpty }: PublisherRules<P>,
): boolean {
  return (sequence + 1 === next || sequence + 1 === watermark) && isEmpty(payload);
}
