/** The run of batches that is known: how it begins, grows and is followed. */
import { apply } from './effects.ts';
import type { Message } from './pending-messages.ts';
import type { Cold, ColdReason, Known, Live, PublisherEffect, PublisherRules, Step } from './state.ts';

/** A run that begins with `message`: all there is if it is the first one, in part otherwise. */
export function begin<P>(
  message: Message<P>,
  why: ColdReason,
  effects: readonly PublisherEffect<P>[],
): Step<P> {
  const { sequence, payload } = message;
  const cold = sequence === 0 ? undefined : why;
  return settle({ next: sequence + 1, last: payload, cold }, sequence + 1, [
    ...effects,
    apply(message, 'live'),
  ]);
}

/** Nothing waits any more. */
export function settle<P>(
  { next, last, cold }: Known<P>,
  watermark: number | undefined,
  effects: readonly PublisherEffect<P>[],
): Step<P> {
  return cold === undefined
    ? { state: { kind: 'live', next, last, watermark }, effects }
    : { state: { kind: 'cold', next, last, watermark, why: cold }, effects };
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
