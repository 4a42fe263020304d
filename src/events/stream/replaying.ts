/** What happens while live messages wait: a publisher says again what we missed, or what has waited is applied. */
import { brokenAt, isOfTwoPublishers } from './breaks.ts';
import { apply, drop, dropAll, forget, forgetIf, stay, to } from './effects.ts';
import {
  type Message,
  messagesOf,
  type PendingMessages,
  pendingOf,
  withMessage,
} from './pending-messages.ts';
import { attemptsAfter, drain, giveUp, mayRequest, release, request, requestAnew } from './repair.ts';
import { begin, coldAnywhere, extended, isHeartbeat, repeats } from './run.ts';
import type {
  ColdReason,
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
      return input.denied ? onForeign(state, rules) : onReplayed(state, input.message, rules);
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

function onReplayed<P>(state: Replaying<P>, message: Message<P>, rules: PublisherRules<P>): Step<P> {
  const { known, phase } = state;
  const { sequence } = message;
  switch (phase) {
    case 'anew':
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

/** Whether what waits joins on without a hole. */
function continues<P>(known: Known<P>, pending: PendingMessages<P>): boolean {
  const waiting = messagesOf(pending).filter(({ sequence }) => sequence >= known.next);
  return waiting.every(({ sequence }, i) => sequence === known.next + i);
}

function endOf<P>({ kind }: Replaying<P> | Draining<P>): PublisherEffect<never>[] {
  return kind === 'replaying' ? [{ kind: 'end_replay' }] : [];
}
