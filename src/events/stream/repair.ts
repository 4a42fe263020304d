/** What was missed is asked for, and what waited for it is applied: or the holder is forgotten. */
import { apply, drop, forgetIf } from './effects.ts';
import {
  firstOf,
  lastRunOf,
  type Message,
  messagesOf,
  NOTHING_PENDING,
  type PendingMessages,
  pendingOf,
  withoutFirst,
} from './pending-messages.ts';
import { extended, settle } from './run.ts';
import type {
  Draining,
  Known,
  PublisherEffect,
  PublisherRules,
  Replaying,
  ReplayReason,
  Step,
} from './state.ts';

/** What a request is made with. */
export interface Broken<P> {
  readonly known: Known<P> | undefined;
  readonly watermark: number | undefined;
  readonly pending?: PendingMessages<P>;
  readonly attempts?: number;
}

export function request<P>(
  why: ReplayReason,
  { known, watermark, pending = NOTHING_PENDING, attempts = 1 }: Broken<P>,
  effects: readonly PublisherEffect<P>[] = [],
): Step<P> {
  const anew = why === 'retry' || known?.last === undefined;
  const from = anew ? 0 : known.next - 1;
  return {
    state: {
      kind: 'replaying',
      why,
      from,
      known: known?.next === 0 ? undefined : known,
      phase: anew ? 'anew' : 'comparing',
      watermark,
      pending,
      attempts,
      grew: false,
    },
    effects: [...effects, { kind: 'request_replay', from, why }],
  };
}

/** How many requests in a row have brought nothing, if one more is made. */
export function attemptsAfter<P>({ attempts, grew }: Replaying<P> | Draining<P>): number {
  return grew ? 1 : attempts + 1;
}

/** The replay is over: what has waited goes on from there. */
export function release<P>(
  state: Replaying<P>,
  known: Known<P>,
  rules: PublisherRules<P>,
  effects: readonly PublisherEffect<P>[],
): Step<P> {
  const waiting = messagesOf(state.pending);
  const rest = waiting.filter(({ sequence }) => sequence >= known.next);
  const covered = waiting.length - rest.length;
  const all = covered === 0 ? effects : [...effects, drop('covered', covered)];
  if (rest.length === 0) return settle(known, state.watermark, all);
  const { watermark, attempts, grew } = state;
  return drain({ kind: 'draining', known, watermark, pending: pendingOf(rest), attempts, grew }, rules, all);
}

/** Applies the first of what waits, if it continues the run; a hole is asked for again. */
export function drain<P>(
  state: Draining<P>,
  rules: PublisherRules<P>,
  effects: readonly PublisherEffect<P>[] = [],
): Step<P> {
  const { known } = state;
  if (firstOf(state.pending)!.sequence === known.next) return take({ ...state, grew: true }, effects);
  const attempts = attemptsAfter(state);
  return attempts <= rules.maxAttempts
    ? request('hole', { ...state, attempts }, effects)
    : giveUp(state, 'hole', effects);
}

/** Nothing is left but what waits, and of that what hangs together. */
export function giveUp<P>(
  { known, pending, watermark, attempts }: Replaying<P> | Draining<P>,
  why: 'replay_failed' | 'hole',
  effects: readonly PublisherEffect<P>[] = [],
): Step<P> {
  const run = lastRunOf(pending);
  const dropped = pending.count - run.length;
  const all = [...effects, ...(dropped === 0 ? [] : [drop('void', dropped)]), ...forgetIf(known, why)];
  const [first] = run;
  if (first === undefined)
    return {
      state: { kind: 'cold', next: undefined, last: undefined, watermark: undefined, why },
      effects: all,
    };
  const begun = { next: first.sequence, last: undefined, cold: why };
  return take(
    { kind: 'draining', known: begun, watermark, pending: pendingOf(run), attempts, grew: true },
    all,
  );
}

/** Applies the first of what waits. */
function take<P>(state: Draining<P>, effects: readonly PublisherEffect<P>[]): Step<P> {
  const first: Message<P> = firstOf(state.pending)!;
  const known = extended(state.known, first);
  const pending = withoutFirst(state.pending);
  const all = [...effects, apply(first, 'pending')];
  return pending.count === 0
    ? settle(known, state.watermark, all)
    : { state: { ...state, known, pending }, effects: all };
}
