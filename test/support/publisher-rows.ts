/** The machine's states and inputs in few words, for tables. */
import { assert } from 'chai';
import { holdAll } from '../../src/events/held-messages.ts';
import type {
  ColdReason,
  Connecting,
  Known,
  Message,
  PublisherAction,
  PublisherInput,
  PublisherRules,
  PublisherState,
  Replaying,
} from '../../src/events/publisher-state.ts';
import { step } from '../../src/events/publisher-step.ts';

export type State = PublisherState<string>;
export type Input = PublisherInput<string>;
export type Action = PublisherAction<string>;

export const RULES: PublisherRules<string> = {
  replay: 'available',
  maxHeldMessages: 3,
  maxHeldBytes: 100,
  maxAttempts: 2,
  same: (a, b) => a === b,
};
export const NO_REPLAY: PublisherRules<string> = { ...RULES, replay: 'none' };

// Batch 7 of process A is `A7`.
export const message = (batch: string, bytes = 10): Message<string> => ({
  sequence: Number(batch.slice(1)),
  payload: batch,
  bytes,
});
export const known = (last: string, cold?: ColdReason): Known<string> => ({
  next: message(last).sequence + 1,
  last,
  cold,
});
export const live = (last: string, heard: number | undefined = known(last).next): State => {
  const { next } = known(last);
  return { kind: 'live', next, last, heard };
};
export const cold = (last: string, why: ColdReason, heard: number | undefined = known(last).next): State => ({
  ...(live(last, heard) as State & { kind: 'live' }),
  kind: 'cold',
  why,
});
export const coldAnywhere = (why: ColdReason): State => ({
  kind: 'cold',
  next: undefined,
  last: undefined,
  heard: undefined,
  why,
});
export const LIVE_EMPTY: State = { kind: 'live', next: 0, last: undefined, heard: undefined };
export const lost = (last?: string, why?: ColdReason): Connecting<string> => ({
  kind: 'connecting',
  after: 'loss',
  known: last === undefined ? undefined : known(last, why),
  heard: last === undefined ? undefined : known(last).next,
});
export const replaying = (
  given: Omit<Partial<Replaying<string>>, 'held'> & { readonly held?: readonly string[] },
): State => ({
  kind: 'replaying',
  why: 'gap',
  from: 0,
  known: undefined,
  confirmed: false,
  heard: given.held?.length ? known(given.held.at(-1)!).next : undefined,
  attempts: 1,
  ...given,
  held: holdAll((given.held ?? []).map(batch => message(batch))),
});

export const hear = (batch: string): Input => ({ kind: 'live', message: message(batch) });
export const replayed = (batch: string): Input => ({ kind: 'replayed', message: message(batch) });
export const ENDED: Input = { kind: 'replay_ended' };
export const IDLE: Input = { kind: 'replay_failed', may: 'continue' };
export const REFUSED: Input = { kind: 'replay_failed', may: 'not_continue' };
export const CONNECTED: Input = { kind: 'connected' };
export const DISCONNECTED: Input = { kind: 'disconnected' };
export const OVERFLOW: Input = { kind: 'overflow' };
export const EXPIRED: Input = { kind: 'expired' };
export const DAMAGED: Input = { kind: 'damaged' };
export const CLEARED: Input = { kind: 'cleared' };
export const RETRY: Input = { kind: 'retry' };

/** `apply`, `forget why`, `ask from why`, `end`, `drop why count`, `gap missed`. */
export function words(actions: readonly Action[]): string[] {
  return actions.map(word);
}

export function word(action: Action): string {
  switch (action.kind) {
    case 'apply':
      return `${action.from} ${action.message.payload}`;
    case 'forget':
      return `forget ${action.why}`;
    case 'request_replay':
      return `ask ${action.from} ${action.why}`;
    case 'end_replay':
      return 'end';
    case 'drop':
      return `drop ${action.why} ${action.messages}`;
    case 'gap':
      return `gap ${action.missed}`;
  }
}

export type Row = [title: string, from: State, input: Input, to: State, actions: readonly string[]];

/** A gap was seen at A9: 5 is next. Nothing of the replay is here yet. */
export const GAP = replaying({ from: 4, known: known('A4'), held: ['A9'] });
/** The same, after the replay has brought A5 and A6. */
export const GAP_CONFIRMED = replaying({ from: 4, known: known('A6'), confirmed: true, held: ['A9'] });
/** Nothing was known, and A9 was heard first. */
export const FIRST = replaying({ why: 'first_contact', held: ['A9'] });
/** From cold. */
export const TRYING = replaying({ why: 'retry', known: known('A4', 'overflow'), heard: 5 });

export function describeRows(title: string, rows: readonly Row[], rules = RULES): void {
  describe(title, () => {
    for (const [what, from, input, to, actions] of rows) {
      it(what, () => {
        const result = step(from, input, rules);
        assert.deepEqual(words(result.actions), actions);
        assert.deepEqual(result.state, to);
      });
    }
  });
}
