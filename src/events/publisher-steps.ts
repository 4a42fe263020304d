/** The parts that the transitions of a publisher's state are made of. */
import { type Held, type Message, NOTHING_HELD } from './held-messages.ts';
import {
  type Cold,
  type ColdReason,
  type ForgetReason,
  INITIAL,
  type Known,
  type Live,
  type PublisherAction,
  type PublisherRules,
  type PublisherState,
  type ReplayReason,
  type Step,
} from './publisher-state.ts';

export interface Waiting<P> {
  readonly known: Known<P> | undefined;
  readonly heard: number | undefined;
  readonly held?: Held<P>;
  readonly attempts?: number;
}

export function replay<P>(
  why: ReplayReason,
  { known, heard, held = NOTHING_HELD, attempts = 1 }: Waiting<P>,
  actions: readonly PublisherAction<P>[] = [],
): Step<P> {
  const anew = why === 'retry' || known?.last === undefined;
  const from = anew ? 0 : known.next - 1;
  return {
    state: {
      kind: 'replaying',
      why,
      from,
      known: known?.next === 0 ? undefined : known,
      confirmed: false,
      heard,
      held,
      attempts,
    },
    actions: [...actions, { kind: 'request_replay', from, why }],
  };
}

/** A connection is there: to the process that we knew, or to another one. */
export function onConnected<P>(
  known: Known<P> | undefined,
  heard: number | undefined,
  rules: PublisherRules<P>,
): Step<P> {
  if (rules.replay === 'available')
    return replay(known === undefined ? 'first_contact' : 'reconnected', { known, heard });
  // Without a replay nothing tells one process from the next.
  return { state: INITIAL, actions: known === undefined ? [] : [forget('unverified')] };
}

/** A run that begins with `message`: all there is if it is the first one, in part otherwise. */
export function begin<P>(
  message: Message<P>,
  why: ColdReason,
  actions: readonly PublisherAction<P>[],
): Step<P> {
  const { sequence, payload } = message;
  return settle({ next: sequence + 1, last: payload, cold: sequence === 0 ? undefined : why }, sequence + 1, [
    ...actions,
    apply(message),
  ]);
}

export function settle<P>(
  { next, last, cold }: Known<P>,
  heard: number | undefined,
  actions: readonly PublisherAction<P>[],
): Step<P> {
  return cold === undefined
    ? { state: { kind: 'live', next, last, heard }, actions }
    : { state: { kind: 'cold', next, last, heard, why: cold }, actions };
}

export function knownOf<P>(state: Live<P> | Cold<P>): Known<P> | undefined {
  const { next, last } = state;
  return next === undefined ? undefined : { next, last, cold: state.kind === 'cold' ? state.why : undefined };
}

export function follow<P>({ next, last, heard }: Live<P> | Cold<P>) {
  return { next, last, heard };
}

export function extended<P>(known: Known<P>, { sequence, payload }: Message<P>): Known<P> {
  return { next: sequence + 1, last: payload, cold: known.cold };
}

/** The last batch of the run once more. */
export function repeats<P>(
  { next, last }: Known<P>,
  { sequence, payload }: Message<P>,
  { same }: PublisherRules<P>,
): boolean {
  return sequence === next - 1 && last !== undefined && same(last, payload);
}

export function to<P>(state: PublisherState<P>, ...actions: readonly PublisherAction<P>[]): Step<P> {
  return { state, actions };
}

export function stay<P>(state: PublisherState<P>): Step<P> {
  return { state, actions: [] };
}

export function apply<P>(message: Message<P>, from: 'live' | 'held' | 'replay' = 'live'): PublisherAction<P> {
  return { kind: 'apply', message, from };
}

export function forget<P>(why: ForgetReason): PublisherAction<P> {
  return { kind: 'forget', why };
}

export function drop<P>(
  why: 'duplicate' | 'covered' | 'void' | 'overflow',
  messages: number,
): PublisherAction<P> {
  return { kind: 'drop', why, messages };
}

export function dropAll<P>({ count }: Held<P>, why: 'void' | 'overflow'): PublisherAction<P>[] {
  return count === 0 ? [] : [drop(why, count)];
}
