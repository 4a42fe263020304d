/** What happens while live messages wait, for a replay or for their turn. */
import { brokenAt, isOfTwoPublishers } from './breaks.ts';
import { drop, dropAll, forget, forgetIf, stay, to } from './effects.ts';
import { type Message, type PendingMessages, pendingOf, withMessage } from './pending-messages.ts';
import { drain, mayRequest, request } from './repair.ts';
import { begin, coldAnywhere, isHeartbeat, repeats } from './run.ts';
import type { Draining, PublisherEffect, PublisherInput, PublisherRules, Replaying, Step } from './state.ts';

/** What has waited is applied. */
export function whileDraining<P>(
  state: Draining<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  return input.kind === 'next' ? drain(state, rules) : whileWaiting(state, input, rules);
}

/** Whatever is not about the replay itself. */
export function whileWaiting<P>(
  state: Replaying<P> | Draining<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  const { known, pending, watermark, breaks } = state;
  switch (input.kind) {
    case 'live':
      return liveWhileWaiting(state, input, rules);
    case 'disconnected':
      return to(
        { kind: 'connecting', after: 'loss', known, watermark, breaks },
        ...endOf(state),
        ...dropAll(pending, 'void'),
      );
    case 'overflow':
      return overflow(state, pending);
    case 'applied':
      if (known === undefined || input.outcome === 'ok') return stay(state);
      return input.outcome === 'cleared'
        ? to({ ...state, known: { ...known, cold: undefined } })
        : to({ ...state, known: { ...known, cold: 'damaged' } }, forget('damaged'));
    default:
      return stay(state);
  }
}

function liveWhileWaiting<P>(
  state: Replaying<P> | Draining<P>,
  { message, denied }: PublisherInput<P> & { readonly kind: 'live' },
  rules: PublisherRules<P>,
): Step<P> {
  const { known, pending, watermark } = state;
  const { sequence } = message;
  if (repeatsNewest(state, message, rules)) return to(state, drop('duplicate', 1));
  if (isHeartbeat(message, known?.next, watermark, rules))
    return to({ ...state, watermark: Math.max(watermark ?? 0, sequence + 1) }, drop('duplicate', 1));

  const breaks = brokenAt(state.breaks, watermark, sequence);
  const heard = { watermark: sequence + 1, breaks };
  if (isOfTwoPublishers(breaks))
    return to(
      coldAnywhere('two_publishers', heard),
      ...endOf(state),
      drop('void', pending.count + 1),
      ...forgetIf(known, 'two_publishers'),
    );
  const restart = [...dropAll(pending, 'void'), ...forgetIf(known, 'restart')];
  if (sequence === 0) return begin(message, 'no_replay', breaks, [...endOf(state), ...restart]);
  if (denied || (watermark !== undefined && sequence < watermark)) {
    return mayRequest(heard, rules)
      ? request('restart', { known: undefined, ...heard, pending: pendingOf([message]) }, restart)
      : begin(message, 'backing_off', breaks, [...endOf(state), ...restart]);
  }
  const waiting = withMessage<P>(pending, message);
  return waiting.count > rules.maxPendingMessages || waiting.bytes > rules.maxPendingBytes
    ? overflow(state, waiting)
    : to({ ...state, ...heard, pending: waiting });
}

/** The newest live message once more. */
function repeatsNewest<P>(
  { known, pending, watermark }: Replaying<P> | Draining<P>,
  message: Message<P>,
  rules: PublisherRules<P>,
): boolean {
  const { newest } = pending;
  if (newest === undefined)
    return known !== undefined && known.next === watermark && repeats(known, message, rules);
  return newest.sequence === message.sequence && rules.same(newest.payload, message.payload);
}

function overflow<P>(state: Replaying<P> | Draining<P>, pending: PendingMessages<P>): Step<P> {
  const { newest } = pending;
  const next = newest && newest.sequence + 1;
  return to(
    { kind: 'cold', next, last: newest?.payload, watermark: next, breaks: state.breaks, why: 'overflow' },
    ...endOf(state),
    ...dropAll(pending, 'overflow'),
    ...forgetIf(state.known, 'overflow'),
  );
}

function endOf<P>({ kind }: Replaying<P> | Draining<P>): PublisherEffect<never>[] {
  return kind === 'replaying' ? [{ kind: 'end_replay' }] : [];
}
