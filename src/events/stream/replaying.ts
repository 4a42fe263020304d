/** What happens while a publisher says again what we missed. */
import { apply, drop, dropAll, forget, forgetIf, to } from './effects.ts';
import { type Message, messagesOf, type PendingMessages } from './pending-messages.ts';
import { attemptsAfter, giveUp, mayRequest, release, request, requestAnew } from './repair.ts';
import { coldAnywhere, extended } from './run.ts';
import type {
  ColdReason,
  Known,
  PublisherEffect,
  PublisherInput,
  PublisherRules,
  Replaying,
  Step,
} from './state.ts';
import { whileWaiting } from './waiting.ts';

export function whileReplaying<P>(
  state: Replaying<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  switch (input.kind) {
    case 'replayed':
      return input.denied ? onForeign(state, rules) : onReplayed(state, input.message, rules);
    case 'replay_ended':
      return onReplayEnded(state, rules);
    case 'replay_failed':
      return onReplayFailed(state, input.may, rules);
    default:
      return whileWaiting(state, input, rules);
  }
}

function onReplayed<P>(state: Replaying<P>, message: Message<P>, rules: PublisherRules<P>): Step<P> {
  const { known, phase } = state;
  const { sequence } = message;
  switch (phase) {
    case 'relearning':
      // Only now: a retry that brings nothing costs nothing.
      return beginReplayed(state, message, beginningAt(sequence), forgetIf(known, 'relearned'));
    case 'probing':
      return probed(state, known!, sequence <= 1 ? undefined : 'evicted', rules);
    case 'comparing':
      return compare(state, message, known!, rules);
    case 'confirmed': {
      if (known === undefined || sequence < known.next) return to(state, drop('covered', 1));
      if (sequence === known.next) return replayedOn(state, known, message, []);
      const attempts = attemptsAfter(state);
      return attempts <= rules.maxAttempts && mayRequest(state, rules)
        ? request('hole', { ...state, attempts })
        : beginReplayed(state, message, 'hole', [forget('hole')]);
    }
  }
}

/** Is this the process that the run is of? */
function compare<P>(
  state: Replaying<P>,
  message: Message<P>,
  known: Known<P>,
  rules: PublisherRules<P>,
): Step<P> {
  const last = known.next - 1;
  if (message.sequence < last) return to(state, drop('covered', 1));
  const isSame = message.sequence === last && rules.same(known.last!, message.payload);
  if (state.why === 'retry') return isSame ? requestAnew('retry', state) : onForeign(state, rules);
  if (isSame) return to({ ...state, phase: 'confirmed' });
  return message.sequence === last
    ? anotherProcess(state, rules)
    : beginReplayed(state, message, 'evicted', [forget('evicted')]);
}

function beginningAt(sequence: number): ColdReason | undefined {
  if (sequence === 0) return undefined;
  return sequence === 1 ? 'begins_at_1' : 'evicted';
}

function probed<P>(
  state: Replaying<P>,
  known: Known<P>,
  cold: ColdReason | undefined,
  rules: PublisherRules<P>,
): Step<P> {
  return release(state, { ...known, cold }, rules, [{ kind: 'end_replay' }]);
}

function beginReplayed<P>(
  state: Replaying<P>,
  message: Message<P>,
  cold: ColdReason | undefined,
  effects: readonly PublisherEffect<P>[],
): Step<P> {
  return replayedOn(state, { next: message.sequence, last: undefined, cold }, message, effects);
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

/**
 * What was known is not what this publisher says. Whatever waits was published before the new request, so it is covered: if that
 * does not reach as far, something is missing.
 */
function anotherProcess<P>(state: Replaying<P>, rules: PublisherRules<P>): Step<P> {
  const { pending, breaks } = state;
  const attempts = state.attempts + 1;
  const watermark = pending.count > 0 ? state.watermark : undefined;
  const effects = [...dropAll(pending, 'void'), forget('restart')];
  if (attempts <= rules.maxAttempts && mayRequest(state, rules))
    return request('restart', { known: undefined, watermark, breaks, attempts }, effects);
  const why = attempts > rules.maxAttempts ? 'replay_failed' : 'backing_off';
  return to(coldAnywhere(why, { watermark: undefined, breaks }), { kind: 'end_replay' }, ...effects);
}

/** Whoever replays is not whom we hear. Another try from cold has cost nothing yet. */
function onForeign<P>(state: Replaying<P>, rules: PublisherRules<P>): Step<P> {
  const { known, pending, phase, why } = state;
  const end: PublisherEffect<P>[] = [{ kind: 'end_replay' }];
  return why === 'retry' && phase !== 'confirmed' && known !== undefined && continues(known, pending)
    ? release(state, { ...known, cold: 'foreign_replay' }, rules, end)
    : giveUp(state, 'foreign_replay', end);
}

function onReplayEnded<P>(state: Replaying<P>, rules: PublisherRules<P>): Step<P> {
  const { phase, known, pending, why } = state;
  if (phase === 'confirmed' && known !== undefined) return release(state, known, rules, []);
  if (phase === 'probing' && known !== undefined) return probed(state, known, 'evicted', rules);
  // It does not have the batch that it published last, as we thought.
  if (phase === 'comparing' && known !== undefined)
    return why === 'retry' && continues(known, pending)
      ? release(state, known, rules, [])
      : anotherProcess(state, rules);
  return release(state, { next: 0, last: undefined, cold: undefined }, rules, forgetIf(known, 'relearned'));
}

function onReplayFailed<P>(
  state: Replaying<P>,
  may: 'continue' | 'not_continue',
  rules: PublisherRules<P>,
): Step<P> {
  const { known, pending, why, phase } = state;
  const confirmed = phase === 'confirmed';
  if (phase === 'probing' && known !== undefined) return probed(state, known, 'evicted', rules);
  if (known === undefined || !(confirmed || why === 'retry')) return giveUp(state, 'replay_failed');
  if (continues(known, pending) && (pending.count > 0 || !confirmed)) return release(state, known, rules, []);
  if (may === 'continue' && confirmed && attemptsAfter(state) === 1 && mayRequest(state, rules))
    return request('hole', { ...state, attempts: 1 });
  return giveUp(state, 'replay_failed');
}

/** Whether what waits joins on without a hole. */
function continues<P>(known: Known<P>, pending: PendingMessages<P>): boolean {
  const waiting = messagesOf(pending).filter(({ sequence }) => sequence >= known.next);
  return waiting.every(({ sequence }, i) => sequence === known.next + i);
}
