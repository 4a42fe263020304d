/** What was missed is asked for, and what waited for it is applied: or the holder is forgotten. */
import { apply, drop, dropAll, forgetIf } from './effects.ts';
import {
  firstOf,
  lastRunOf,
  messagesOf,
  NOTHING_PENDING,
  type PendingMessages,
  pendingOf,
  withoutFirst,
} from './pending-messages.ts';
import { coldAnywhere, extended, type Heard, settle } from './run.ts';
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
export interface Broken<P> extends Heard {
  readonly known: Known<P> | undefined;
  readonly pending?: PendingMessages<P>;
  readonly attempts?: number;
}

/** Whether a replay would be answered, and the stream has not broken too often for one. Those that are due after a wait may always be. */
export function mayRequest<P>(
  { breaks }: Heard,
  { replay, maxRequests }: Pick<PublisherRules<P>, 'replay' | 'maxRequests'>,
): boolean {
  return replay === 'available' && breaks.requests < maxRequests;
}

/** Asks for the last batch of the run once more and for what follows it; for everything, if there is none. */
export function request<P>(
  why: ReplayReason,
  broken: Broken<P>,
  effects: readonly PublisherEffect<P>[] = [],
): Step<P> {
  const { known } = broken;
  return known?.last === undefined
    ? requestAnew(why, broken, effects)
    : requestFrom(known.next - 1, 'comparing', why, broken, effects);
}

/** Asks for everything. What is known counts until something comes. */
export function requestAnew<P>(
  why: ReplayReason,
  broken: Broken<P>,
  effects: readonly PublisherEffect<P>[] = [],
): Step<P> {
  return requestFrom(0, 'relearning', why, broken, effects);
}

export function requestFrom<P>(
  from: number,
  phase: Replaying<P>['phase'],
  why: ReplayReason,
  { known, watermark, breaks, pending = NOTHING_PENDING, attempts = 1 }: Broken<P>,
  effects: readonly PublisherEffect<P>[] = [],
): Step<P> {
  return {
    state: {
      kind: 'replaying',
      why,
      from,
      known: known?.next === 0 ? undefined : known,
      phase,
      watermark,
      breaks: why === 'retry' ? breaks : { ...breaks, requests: breaks.requests + 1 },
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
  const { watermark, breaks, attempts, grew } = state;
  const waiting = messagesOf(state.pending);
  const rest = waiting.filter(({ sequence }) => sequence >= known.next);
  const covered = waiting.length - rest.length;
  const all = covered === 0 ? effects : [...effects, drop('covered', covered)];
  if (rest.length === 0 && (watermark === undefined || watermark <= known.next))
    return settle(known, state, all);
  return drain(
    { kind: 'draining', known, watermark, breaks, pending: pendingOf(rest), attempts, grew },
    rules,
    all,
  );
}

/** Applies the first of what waits, if it continues the run; a hole is asked for again. */
export function drain<P>(
  state: Draining<P>,
  rules: PublisherRules<P>,
  effects: readonly PublisherEffect<P>[] = [],
): Step<P> {
  const { known } = state;
  if (firstOf(state.pending)?.sequence === known.next) return take({ ...state, grew: true }, effects);
  const attempts = attemptsAfter(state);
  return attempts <= rules.maxAttempts && mayRequest(state, rules)
    ? request('hole', { ...state, attempts }, effects)
    : giveUp(state, 'hole', effects);
}

/** Nothing is left but what waits, and of that what hangs together. */
export function giveUp<P>(
  { known, pending, watermark, breaks, attempts }: Replaying<P> | Draining<P>,
  why: 'replay_failed' | 'hole' | 'foreign_replay',
  effects: readonly PublisherEffect<P>[] = [],
): Step<P> {
  const run = lastRunOf(pending);
  const all = [
    ...effects,
    ...dropAll({ count: pending.count - run.length }, 'void'),
    ...forgetIf(known, why),
  ];
  const [first] = run;
  if (first === undefined)
    return { state: coldAnywhere(why, { watermark: undefined, breaks }), effects: all };
  const begun = { next: first.sequence, last: undefined, cold: why };
  return take(
    { kind: 'draining', known: begun, watermark, breaks, pending: pendingOf(run), attempts, grew: true },
    all,
  );
}

/** Applies the first of what waits. */
function take<P>(state: Draining<P>, effects: readonly PublisherEffect<P>[]): Step<P> {
  const first = firstOf(state.pending)!;
  const known = extended(state.known, first);
  const pending = withoutFirst(state.pending);
  const all = [...effects, apply(first, 'pending')];
  return pending.count === 0
    ? settle(known, state, all)
    : { state: { ...state, known, pending }, effects: all };
}
