import { hold, type Message, NOTHING_HELD } from './held-messages.ts';
import { whileReplaying } from './publisher-replaying.ts';
import type {
  Cold,
  Connecting,
  Live,
  PublisherAction,
  PublisherInput,
  PublisherRules,
  PublisherState,
  Step,
} from './publisher-state.ts';
import {
  apply,
  begin,
  drop,
  extended,
  follow,
  forget,
  knownOf,
  onConnected,
  repeats,
  replay,
  settle,
  stay,
  to,
} from './publisher-steps.ts';

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
  }
}

function whileConnecting<P>(
  state: Connecting<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  const { known, heard, after } = state;
  switch (input.kind) {
    case 'connected':
      return onConnected(known, heard, rules);
    case 'live': {
      const { message } = input;
      // What the lost connection had still brought, or the next one already: what is asked for then covers both.
      if (after === 'loss') return to(state, drop('void', 1));
      if (message.sequence === 0 || rules.replay === 'none') return begin(message, 'no_replay', []);
      return replay('first_contact', {
        known: undefined,
        heard: message.sequence + 1,
        held: hold<P>(NOTHING_HELD, message),
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
      return onLive(state, input.message, rules);
    case 'disconnected':
      return to({ kind: 'connecting', after: 'loss', known: knownOf(state), heard: state.heard });
    case 'overflow':
    case 'damaged':
      return to({ ...follow(state), kind: 'cold', why: input.kind }, forget(input.kind));
    case 'cleared':
      return state.next === undefined
        ? stay(state)
        : to({ ...follow(state), kind: 'live', next: state.next });
    case 'retry':
      return rules.replay === 'available' && mayBeRetried(state)
        ? replay('retry', { known: knownOf(state), heard: state.heard })
        : stay(state);
    default:
      return stay(state);
  }
}

/** Whether a replay from the start could make this state live. */
export function mayBeRetried<P>(state: PublisherState<P>): boolean {
  return (
    state.kind === 'cold' &&
    (state.why === 'replay_failed' || state.why === 'overflow' || state.why === 'hole')
  );
}

function onLive<P>(state: Live<P> | Cold<P>, message: Message<P>, rules: PublisherRules<P>): Step<P> {
  const { next, heard } = state;
  const { sequence } = message;
  const known = knownOf(state);
  if (known === undefined || next === undefined)
    return begin(message, state.kind === 'cold' ? state.why : 'no_replay', []);
  if (sequence === next) return settle(extended(known, message), sequence + 1, [apply(message)]);
  if (repeats(known, message, rules))
    return to({ ...state, heard: next }, drop(heard === next ? 'duplicate' : 'covered', 1));
  if (sequence === 0) return begin(message, 'no_replay', [forget('restart')]);

  const waiting = { known, heard: sequence + 1, held: hold<P>(NOTHING_HELD, message) };
  if (sequence > next) {
    const gap: PublisherAction<P> = { kind: 'gap', missed: sequence - next };
    return rules.replay === 'available'
      ? replay('gap', waiting, [gap])
      : begin(message, 'no_replay', [gap, forget('gap')]);
  }
  if (heard === undefined && rules.replay === 'available') return replay('unverified', waiting);
  if (heard !== undefined && sequence >= heard)
    return to({ ...state, heard: sequence + 1 }, drop('covered', 1));
  return rules.replay === 'available'
    ? replay('restart', { ...waiting, known: undefined }, [forget('restart')])
    : begin(message, 'no_replay', [forget('restart')]);
}
