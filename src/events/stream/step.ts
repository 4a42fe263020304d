import { brokenAt, calmed, isOfTwoPublishers } from './breaks.ts';
import { apply, drop, forget, forgetIf, stay, to } from './effects.ts';
import { type Message, pendingOf } from './pending-messages.ts';
import { mayRequest, request, requestFrom } from './repair.ts';
import { whileReplaying } from './replaying.ts';
import { retry } from './retry.ts';
import { begin, coldAnywhere, isHeartbeat, knownOf, repeats } from './run.ts';
import {
  type BatchApplied,
  type Cold,
  type Connecting,
  INITIAL,
  type Live,
  type PublisherEffect,
  type PublisherInput,
  type PublisherRules,
  type PublisherState,
  type Step,
} from './state.ts';
import { whileDraining } from './waiting.ts';

/** Total: an input that means nothing in a state changes nothing. */
export function step<P>(
  state: PublisherState<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  if (input.kind === 'calm') return onCalm(state);
  switch (state.kind) {
    case 'connecting':
      return whileConnecting(state, input, rules);
    case 'live':
    case 'cold':
      return whileFollowing(state, input, rules);
    case 'replaying':
      return whileReplaying(state, input, rules);
    case 'draining':
      return whileDraining(state, input, rules);
  }
}

function onCalm<P>(state: PublisherState<P>): Step<P> {
  const breaks = calmed(state.breaks);
  return breaks === state.breaks ? stay(state) : to({ ...state, breaks });
}

function whileConnecting<P>(
  state: Connecting<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  const { known, breaks, after } = state;
  switch (input.kind) {
    case 'connected':
      return onConnected(state, rules);
    case 'live': {
      const { message } = input;
      // What the lost connection had still brought, or the next one already: what is asked for then covers both.
      if (after === 'loss') return to(state, drop('void', 1));
      const heard = {
        watermark: message.sequence + 1,
        breaks: brokenAt(breaks, undefined, message.sequence),
      };
      if (message.sequence === 0 || !mayRequest(heard, rules))
        return begin(message, rules.replay === 'none' ? 'no_replay' : 'backing_off', heard.breaks, []);
      return request('first_contact', { known: undefined, ...heard, pending: pendingOf([message]) });
    }
    case 'overflow':
    case 'expired':
      return known === undefined
        ? stay(state)
        : to({ ...state, known: undefined }, forget(input.kind === 'expired' ? 'unverified' : input.kind));
    default:
      return stay(state);
  }
}

/** To the process that was known, or to another one. */
function onConnected<P>({ known, watermark, breaks }: Connecting<P>, rules: PublisherRules<P>): Step<P> {
  if (mayRequest({ watermark, breaks }, rules)) {
    return known === undefined
      ? request('first_contact', { known, watermark: undefined, breaks })
      : request('reconnected', { known, watermark, breaks });
  }
  // Without a replay nothing tells one process from the next.
  const unverified = forgetIf(known, 'unverified');
  return rules.replay === 'none'
    ? to({ ...INITIAL, breaks }, ...unverified)
    : to(coldAnywhere('backing_off', { watermark: undefined, breaks }), ...unverified);
}

function whileFollowing<P>(
  state: Live<P> | Cold<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  switch (input.kind) {
    case 'live':
      return input.message.sequence === state.next
        ? onNext(state, input.message, rules)
        : onOther(state, input, rules);
    case 'applied':
      return onApplied(state, input.outcome);
    case 'disconnected': {
      const { watermark, breaks } = state;
      return to({ kind: 'connecting', after: 'loss', known: knownOf(state), watermark, breaks });
    }
    case 'overflow':
      return toCold(state, 'overflow');
    case 'retry':
      return state.kind === 'cold' ? retry(state, rules) : stay(state);
    default:
      return stay(state);
  }
}

/** Almost every message of a publisher's life comes this way. */
function onNext<P>(state: Live<P> | Cold<P>, message: Message<P>, rules: PublisherRules<P>): Step<P> {
  const next = message.sequence + 1;
  const last = message.payload;
  const { breaks } = state;
  if (state.kind === 'cold' && state.why === 'begins_at_1' && mayRequest(state, rules)) {
    const broken = { known: knownOf(state), watermark: next, breaks, pending: pendingOf([message]) };
    return requestFrom(0, 'probing', 'begins_at_1', broken);
  }
  return {
    state:
      state.kind === 'live'
        ? { kind: 'live', next, last, watermark: next, breaks }
        : { kind: 'cold', next, last, watermark: next, breaks, why: state.why },
    effects: [apply(message, 'live')],
  };
}

function onApplied<P>(state: Live<P> | Cold<P>, outcome: BatchApplied): Step<P> {
  if (outcome === 'ok') return stay(state);
  if (outcome !== 'cleared') return toCold(state, 'damaged');
  const { next, last, watermark, breaks } = state;
  return next === undefined ? stay(state) : to({ kind: 'live', next, last, watermark, breaks });
}

function toCold<P>(
  { next, last, watermark, breaks }: Live<P> | Cold<P>,
  why: 'overflow' | 'damaged',
): Step<P> {
  return to({ kind: 'cold', next, last, watermark, breaks, why }, forget(why));
}

/** Not the one that continues the run. */
function onOther<P>(
  state: Live<P> | Cold<P>,
  { message, denied }: PublisherInput<P> & { readonly kind: 'live' },
  rules: PublisherRules<P>,
): Step<P> {
  const { next, watermark } = state;
  const { sequence } = message;
  const known = knownOf(state);
  if (known !== undefined && repeats(known, message, rules))
    return to({ ...state, watermark: known.next }, drop(watermark === next ? 'duplicate' : 'covered', 1));
  if (isHeartbeat(message, next, watermark, rules))
    return to({ ...state, watermark: Math.max(watermark ?? 0, sequence + 1) }, drop('duplicate', 1));

  const breaks = brokenAt(state.breaks, watermark, sequence);
  const heard = { watermark: sequence + 1, breaks };
  const why = state.kind === 'cold' ? state.why : undefined;
  if (why === 'two_publishers') return to({ ...state, ...heard }, drop('void', 1));
  if (isOfTwoPublishers(breaks))
    return to(coldAnywhere('two_publishers', heard), drop('void', 1), ...forgetIf(known, 'two_publishers'));
  if (known === undefined) return begin(message, why ?? 'no_replay', breaks, []);
  if (sequence === 0) return begin(message, 'no_replay', breaks, [forget('restart')]);

  const isAsked = mayRequest(heard, rules) && why !== 'foreign_replay';
  const unasked = rules.replay === 'none' ? 'no_replay' : why === 'foreign_replay' ? why : 'backing_off';
  const broken = { known, ...heard, pending: pendingOf([message]) };
  if (sequence > known.next) {
    const gap: PublisherEffect<P> = { kind: 'gap', missed: sequence - known.next };
    return isAsked ? request('gap', broken, [gap]) : begin(message, unasked, breaks, [gap, forget('gap')]);
  }
  if (watermark !== undefined && sequence >= watermark && !denied)
    return to({ ...state, ...heard }, drop('covered', 1));
  if (watermark === undefined && !denied && isAsked && known.last !== undefined)
    return requestFrom(Math.min(sequence, known.next - 1), 'comparing', 'unverified', broken);
  return isAsked
    ? request('restart', { ...broken, known: undefined }, [forget('restart')])
    : begin(message, unasked, breaks, [forget('restart')]);
}
