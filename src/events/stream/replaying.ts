/** What happens while live messages wait: a publisher says again what we missed, or what has waited is applied. */
import { apply, drop, dropAll, forget, forgetIf, stay, to } from './effects.ts';
import {
  type Message,
  messagesOf,
  type PendingMessages,
  pendingOf,
  withMessage,
} from './pending-messages.ts';
import { attemptsAfter, drain, giveUp, release, request } from './repair.ts';
import { begin, extended } from './run.ts';
import type {
  Draining,
  Known,
  PublisherEffect,
  PublisherInput,
  PublisherRules,
  Replaying,
  Step,
} from './state.ts';

export function whileReplaying<P>(
  state: Replaying<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  switch (input.kind) {
    case 'replayed':
      return onReplayed(state, input.message, rules);
    case 'replay_ended':
      return onReplayEnded(state, rules);
    case 'replay_failed':
      return onReplayFailed(state, input.may, rules);
    default:
      return whileWaiting(state, input, rules);
  }
}

export function whileDraining<P>(
  state: Draining<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  return input.kind === 'next' ? drain(state, rules) : whileWaiting(state, input, rules);
}

function whileWaiting<P>(
  state: Replaying<P> | Draining<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  const { known, pending, watermark } = state;
  switch (input.kind) {
    case 'live':
      return liveWhileWaiting(state, input.message, rules);
    case 'disconnected':
      return to(
        { kind: 'connecting', after: 'loss', known, watermark },
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
  message: Message<P>,
  rules: PublisherRules<P>,
): Step<P> {
  const { known, pending, watermark } = state;
  const before =
    pending.newest ??
    (known?.next === watermark ? { sequence: watermark! - 1, payload: known?.last } : undefined);
  if (
    before?.payload !== undefined &&
    before.sequence === message.sequence &&
    rules.same(before.payload, message.payload)
  )
    return to(state, drop('duplicate', 1));

  const anew = [...dropAll(pending, 'void'), ...forgetIf(known, 'restart')];
  if (message.sequence === 0) return begin(message, 'no_replay', [...endOf(state), ...anew]);
  if (watermark !== undefined && message.sequence < watermark) {
    return request(
      'restart',
      { known: undefined, watermark: message.sequence + 1, pending: pendingOf([message]) },
      anew,
    );
  }
  const waiting = withMessage<P>(pending, message);
  return waiting.count > rules.maxPendingMessages || waiting.bytes > rules.maxPendingBytes
    ? overflow(state, waiting)
    : to({ ...state, pending: waiting, watermark: message.sequence + 1 });
}

function onReplayed<P>(state: Replaying<P>, message: Message<P>, rules: PublisherRules<P>): Step<P> {
  const { known, from, phase } = state;
  const { sequence } = message;
  switch (phase) {
    case 'anew': {
      // Only now: a retry that brings nothing costs nothing.
      const cold = sequence === 0 ? undefined : 'evicted';
      return replayedOn(
        state,
        { next: sequence, last: undefined, cold },
        message,
        forgetIf(known, 'relearned'),
      );
    }
    case 'comparing':
      if (sequence < from) return to(state, drop('covered', 1));
      if (sequence > from) {
        return replayedOn(state, { next: sequence, last: undefined, cold: 'evicted' }, message, [
          forget('evicted'),
        ]);
      }
      return rules.same(known!.last!, message.payload)
        ? to({ ...state, phase: 'confirmed' })
        : anotherProcess(state, rules);
    case 'confirmed': {
      if (known === undefined || sequence < known.next) return to(state, drop('covered', 1));
      if (sequence === known.next) return replayedOn(state, known, message, []);
      const attempts = attemptsAfter(state);
      if (attempts <= rules.maxAttempts) return request('hole', { ...state, attempts });
      return replayedOn(state, { next: sequence, last: undefined, cold: 'hole' }, message, [forget('hole')]);
    }
  }
}

function replayedOn<P>(
  state: Replaying<P>,
  known: Known<P>,
  message: Message<P>,
  effects: readonly PublisherEffect<P>[],
): Step<P> {
  return {
    state: { ...state, known: extended(known, message), phase: 'confirmed', grew: true },
    effects: [...effects, apply(message, 'replay')],
  };
}

/** What was known is not what this publisher says. Whatever waits was published before the new request, so it is covered. */
function anotherProcess<P>(state: Replaying<P>, rules: PublisherRules<P>): Step<P> {
  const attempts = state.attempts + 1;
  const effects = [...dropAll(state.pending, 'void'), forget('restart')];
  return attempts <= rules.maxAttempts
    ? request('restart', { known: undefined, watermark: undefined, attempts }, effects)
    : to(
        { kind: 'cold', next: undefined, last: undefined, watermark: undefined, why: 'replay_failed' },
        { kind: 'end_replay' },
        ...effects,
      );
}

function onReplayEnded<P>(state: Replaying<P>, rules: PublisherRules<P>): Step<P> {
  const { phase, known } = state;
  if (phase === 'confirmed' && known !== undefined) return release(state, known, rules, []);
  // It does not have the batch that it published last, as we thought.
  if (phase === 'comparing') return anotherProcess(state, rules);
  return release(state, { next: 0, last: undefined, cold: undefined }, rules, forgetIf(known, 'relearned'));
}

function onReplayFailed<P>(
  state: Replaying<P>,
  may: 'continue' | 'not_continue',
  rules: PublisherRules<P>,
): Step<P> {
  const { known, pending, why, phase } = state;
  const confirmed = phase === 'confirmed';
  if (known === undefined || !(confirmed || why === 'retry')) return giveUp(state, 'replay_failed');
  if (continues(known, pending) && (pending.count > 0 || !confirmed)) return release(state, known, rules, []);
  if (may === 'continue' && confirmed && attemptsAfter(state) === 1)
    return request('hole', { ...state, attempts: 1 });
  return giveUp(state, 'replay_failed');
}

function overflow<P>(state: Replaying<P> | Draining<P>, pending: PendingMessages<P>): Step<P> {
  const { newest } = pending;
  const next = newest && newest.sequence + 1;
  return to(
    { kind: 'cold', next, last: newest?.payload, watermark: next, why: 'overflow' },
    ...endOf(state),
    ...dropAll(pending, 'overflow'),
    ...forgetIf(state.known, 'overflow'),
  );
}

/** Whether what waits joins on without a hole. */
function continues<P>(known: Known<P>, pending: PendingMessages<P>): boolean {
  const waiting = messagesOf(pending).filter(({ sequence }) => sequence >= known.next);
  return waiting.every(({ sequence }, i) => sequence === known.next + i);
}

function endOf<P>({ kind }: Replaying<P> | Draining<P>): PublisherEffect<never>[] {
  return kind === 'replaying' ? [{ kind: 'end_replay' }] : [];
}
