/** What happens while a publisher says again what we missed. */
import {
  type Held,
  heldMessages,
  hold,
  holdAll,
  lastRun,
  type Message,
  NOTHING_HELD,
} from './held-messages.ts';
import type {
  Known,
  PublisherAction,
  PublisherInput,
  PublisherRules,
  Replaying,
  Step,
} from './publisher-state.ts';
import {
  apply,
  begin,
  drop,
  dropAll,
  extended,
  forget,
  replay,
  settle,
  stay,
  to,
} from './publisher-steps.ts';

export function whileReplaying<P>(
  state: Replaying<P>,
  input: PublisherInput<P>,
  rules: PublisherRules<P>,
): Step<P> {
  const { known, held } = state;
  switch (input.kind) {
    case 'live':
      return liveWhileReplaying(state, input.message, rules);
    case 'replayed':
      return onReplayed(state, input.message, rules);
    case 'replay_ended':
      return onReplayEnded(state, rules);
    case 'replay_failed':
      return onReplayFailed(state, input.may, rules);
    case 'disconnected':
      return {
        state: { kind: 'connecting', after: 'loss', known, heard: state.heard },
        actions: [{ kind: 'end_replay' }, ...dropAll(held, 'void')],
      };
    case 'overflow':
      return overflow(state, held);
    case 'damaged':
      return known === undefined
        ? stay(state)
        : to({ ...state, known: { ...known, cold: 'damaged' } }, forget('damaged'));
    case 'cleared':
      return known === undefined ? stay(state) : to({ ...state, known: { ...known, cold: undefined } });
    default:
      return stay(state);
  }
}

function liveWhileReplaying<P>(state: Replaying<P>, message: Message<P>, rules: PublisherRules<P>): Step<P> {
  const { known, held, heard } = state;
  const before =
    held.newest ?? (known?.next === heard ? { sequence: heard! - 1, payload: known?.last } : undefined);
  if (
    before?.payload !== undefined &&
    before.sequence === message.sequence &&
    rules.same(before.payload, message.payload)
  )
    return to(state, drop('duplicate', 1));

  const forgetting = known === undefined ? [] : [forget<P>('restart')];
  if (message.sequence === 0) {
    return begin(message, 'no_replay', [{ kind: 'end_replay' }, ...dropAll(held, 'void'), ...forgetting]);
  }
  if (heard !== undefined && message.sequence < heard) {
    return replay(
      'restart',
      { known: undefined, heard: message.sequence + 1, held: hold<P>(NOTHING_HELD, message) },
      [...dropAll(held, 'void'), ...forgetting],
    );
  }
  const waiting = hold(held, message);
  return waiting.count > rules.maxHeldMessages || waiting.bytes > rules.maxHeldBytes
    ? overflow(state, waiting)
    : to({ ...state, held: waiting, heard: message.sequence + 1 });
}

function onReplayed<P>(state: Replaying<P>, message: Message<P>, rules: PublisherRules<P>): Step<P> {
  const { known, from, confirmed } = state;
  const { sequence } = message;
  if (!confirmed) {
    if (sequence < from) return to(state, drop('covered', 1));
    if (from === 0) {
      // Only now: a retry that brings nothing costs nothing.
      const forgetting = known === undefined ? [] : [forget<P>('relearned')];
      const cold = sequence === 0 ? undefined : 'evicted';
      return replayedOn(state, { next: sequence, last: undefined, cold }, message, forgetting);
    }
    if (sequence === from && known?.last !== undefined) {
      return rules.same(known.last, message.payload)
        ? to({ ...state, confirmed: true })
        : anotherProcess(state, rules);
    }
    return replayedOn(state, { next: sequence, last: undefined, cold: 'evicted' }, message, [
      forget('evicted'),
    ]);
  }
  if (known === undefined || sequence < known.next) return to(state, drop('covered', 1));
  if (sequence === known.next) return replayedOn(state, known, message, []);
  const attempts = attemptsAfter(state);
  if (attempts <= rules.maxAttempts) return replay('hole', { ...state, attempts });
  return replayedOn(state, { next: sequence, last: undefined, cold: 'hole' }, message, [forget('hole')]);
}

function replayedOn<P>(
  state: Replaying<P>,
  known: Known<P>,
  message: Message<P>,
  actions: readonly PublisherAction<P>[],
): Step<P> {
  return {
    state: { ...state, known: extended(known, message), confirmed: true },
    actions: [...actions, apply(message, 'replay')],
  };
}

/** What was known is not what this publisher says. Whatever waits was published before the new request, so it is covered. */
function anotherProcess<P>(state: Replaying<P>, rules: PublisherRules<P>): Step<P> {
  const attempts = state.attempts + 1;
  const actions = [...dropAll(state.held, 'void'), forget<P>('restart')];
  return attempts <= rules.maxAttempts
    ? replay('restart', { known: undefined, heard: undefined, attempts }, actions)
    : {
        state: { kind: 'cold', next: undefined, last: undefined, heard: undefined, why: 'replay_failed' },
        actions: [{ kind: 'end_replay' }, ...actions],
      };
}

function onReplayEnded<P>(state: Replaying<P>, rules: PublisherRules<P>): Step<P> {
  if (state.confirmed && state.known !== undefined) return release(state, state.known, rules, []);
  // It does not have the batch that it published last, as we thought.
  if (state.from > 0) return anotherProcess(state, rules);
  return release(
    state,
    { next: 0, last: undefined, cold: undefined },
    rules,
    state.known === undefined ? [] : [forget('relearned')],
  );
}

function onReplayFailed<P>(
  state: Replaying<P>,
  may: 'continue' | 'not_continue',
  rules: PublisherRules<P>,
): Step<P> {
  const { known, held, why, confirmed } = state;
  if (known === undefined || !(confirmed || why === 'retry')) return giveUp(state, 'replay_failed');
  if (continues(known, held) && (held.count > 0 || !confirmed)) return release(state, known, rules, []);
  if (may === 'continue' && confirmed && attemptsAfter(state) === 1)
    return replay('hole', { ...state, attempts: 1 });
  return giveUp(state, 'replay_failed');
}

/** Applies what waits, as far as it continues the run; a hole is asked for again. */
function release<P>(
  state: Replaying<P>,
  known: Known<P>,
  rules: PublisherRules<P>,
  before: readonly PublisherAction<P>[],
): Step<P> {
  const waiting = heldMessages(state.held);
  const covered = waiting.findIndex(({ sequence }) => sequence >= known.next);
  const rest = covered === -1 ? [] : waiting.slice(covered);
  const dropped = waiting.length - rest.length;
  const actions = [...before, ...(dropped === 0 ? [] : [drop<P>('covered', dropped)])];
  const fitting = rest.findIndex(({ sequence }, i) => sequence !== known.next + i);
  const run = fitting === -1 ? rest : rest.slice(0, fitting);
  const after = run.reduce(extended, known);
  if (fitting === -1)
    return settle(after, state.heard, [...actions, ...run.map(held => apply(held, 'held'))]);

  const grown = { ...state, known: after, held: holdAll(rest.slice(fitting)) };
  const attempts = attemptsAfter({ ...grown, confirmed: true });
  return attempts <= rules.maxAttempts
    ? replay('hole', { ...grown, attempts }, [...actions, ...run.map(held => apply(held, 'held'))])
    : giveUp(state, 'hole');
}

/** Nothing is left but what waits, and of that what hangs together. */
function giveUp<P>(state: Replaying<P>, why: 'replay_failed' | 'hole'): Step<P> {
  const waiting = heldMessages(state.held);
  const run = lastRun(waiting);
  const dropped = waiting.length - run.length;
  const newest = run.at(-1);
  return {
    state: {
      kind: 'cold',
      next: newest && newest.sequence + 1,
      last: newest?.payload,
      heard: newest && state.heard,
      why,
    },
    actions: [
      ...(dropped === 0 ? [] : [drop<P>('void', dropped)]),
      ...(state.known === undefined ? [] : [forget<P>(why)]),
      ...run.map(held => apply(held, 'held')),
    ],
  };
}

function overflow<P>(state: Replaying<P>, held: Held<P>): Step<P> {
  const { newest } = held;
  return {
    state: {
      kind: 'cold',
      next: newest && newest.sequence + 1,
      last: newest?.payload,
      heard: newest && newest.sequence + 1,
      why: 'overflow',
    },
    actions: [
      { kind: 'end_replay' },
      ...dropAll(held, 'overflow'),
      ...(state.known === undefined ? [] : [forget<P>('overflow')]),
    ],
  };
}

/** How many requests in a row have brought nothing, if one more is made. */
function attemptsAfter<P>({ known, from, attempts, confirmed }: Replaying<P>): number {
  const atStart = from === 0 ? 0 : from + 1;
  return confirmed && known !== undefined && known.next > atStart ? 1 : attempts + 1;
}

/** Whether what waits joins on without a hole. */
function continues<P>(known: Known<P>, held: Held<P>): boolean {
  const waiting = heldMessages(held).filter(({ sequence }) => sequence >= known.next);
  return waiting.every(({ sequence }, i) => sequence === known.next + i);
}
