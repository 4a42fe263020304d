import { apply, drop, forget, forgetIf, stay, to } from './effects.ts';
import { type Message, pendingOf } from './pending-messages.ts';
import { request } from './repair.ts';
import { whileDraining, whileReplaying } from './replaying.ts';
import { begin, knownOf, repeats } from './run.ts';
import {
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

/** Total: an input that means nothing in a state changes nothing. */
export function step<P>(
  state: PublisherState<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
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

/** Whether a replay from the start could make this state live. */
export function mayBeRetried<P>(state: PublisherState<P>): boolean {
  return (
    state.kind === 'cold' &&
    (state.why === 'replay_failed' || state.why === 'overflow' || state.why === 'hole')
  );
}

function whileConnecting<P>(
  state: Connecting<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  const { known, watermark, after } = state;
  switch (input.kind) {
    case 'connected':
      if (rules.replay === 'available')
        return request(known === undefined ? 'first_contact' : 'reconnected', { known, watermark });
      // Without a replay nothing tells one process from the next.
      return to(INITIAL, ...forgetIf(known, 'unverified'));
    case 'live': {
      const { message } = input;
      // What the lost connection had still brought, or the next one already: what is asked for then covers both.
      if (after === 'loss') return to(state, drop('void', 1));
      if (message.sequence === 0 || rules.replay === 'none') return begin(message, 'no_replay', []);
      return request('first_contact', {
        known: undefined,
        watermark: message.sequence + 1,
        pending: pendingOf([message]),
      });
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

function whileFollowing<P>(
  state: Live<P> | Cold<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  switch (input.kind) {
    case 'live':
      return input.message.sequence === state.next
        ? onNext(state, input.message)
        : onOther(state, input.message, rules);
    case 'applied':
      return onApplied(state, input.outcome);
    case 'disconnected':
      return to({ kind: 'connecting', after: 'loss', known: knownOf(state), watermark: state.watermark });
    case 'overflow':
      return cold(state, 'overflow');
    case 'retry':
      return rules.replay === 'available' && mayBeRetried(state)
        ? request('retry', { known: knownOf(state), watermark: state.watermark })
        : stay(state);
    default:
      return stay(state);
  }
}

/** Almost every message of a publisher's life comes this way. */
function onNext<P>(state: Live<P> | Cold<P>, message: Message<P>): Step<P> {
  const next = message.sequence + 1;
  const last = message.payload;
  return {
    state:
      state.kind === 'live'
        ? { kind: 'live', next, last, watermark: next }
        : { kind: 'cold', next, last, watermark: next, why: state.why },
    effects: [apply(message, 'live')],
  };
}

function onApplied<P>(
  state: Live<P> | Cold<P>,
  outcome: (PublisherInput<P> & { readonly kind: 'applied' })['outcome'],
): Step<P> {
  if (outcome === 'ok') return stay(state);
  if (outcome !== 'cleared') return cold(state, 'damaged');
  const { next, last, watermark } = state;
  return next === undefined ? stay(state) : to({ kind: 'live', next, last, watermark });
}

function cold<P>({ next, last, watermark }: Live<P> | Cold<P>, why: 'overflow' | 'damaged'): Step<P> {
  return to({ kind: 'cold', next, last, watermark, why }, forget(why));
}

/** Not the one that continues the run. */
function onOther<P>(state: Live<P> | Cold<P>, message: Message<P>, rules: PublisherRules<P>): Step<P> {
  const { next, watermark } = state;
  const { sequence } = message;
  const known = knownOf(state);
  if (known === undefined || next === undefined)
    return begin(message, state.kind === 'cold' ? state.why : 'no_replay', []);
  if (repeats(known, message, rules))
    return to({ ...state, watermark: next }, drop(watermark === next ? 'duplicate' : 'covered', 1));
  if (sequence === 0) return begin(message, 'no_replay', [forget('restart')]);

  const broken = { known, watermark: sequence + 1, pending: pendingOf([message]) };
  if (sequence > next) {
    const gap: PublisherEffect<P> = { kind: 'gap', missed: sequence - next };
    return rules.replay === 'available'
      ? request('gap', broken, [gap])
      : begin(message, 'no_replay', [gap, forget('gap')]);
  }
  if (watermark === undefined && rules.replay === 'available') return request('unverified', broken);
  if (watermark !== undefined && sequence >= watermark)
    return to({ ...state, watermark: sequence + 1 }, drop('covered', 1));
  return rules.replay === 'available'
    ? request('restart', { ...broken, known: undefined }, [forget('restart')])
    : begin(message, 'no_replay', [forget('restart')]);
}
