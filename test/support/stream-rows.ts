/** The machine's states and inputs in few words, for tables. */
import { assert } from 'chai';
import { UNBROKEN } from '../../src/events/stream/breaks.ts';
import type { Message } from '../../src/events/stream/pending-messages.ts';
import { messagesOf, pendingOf } from '../../src/events/stream/pending-messages.ts';
import type {
  BatchApplied,
  ColdReason,
  Connecting,
  Draining,
  Known,
  PublisherEffect,
  PublisherInput,
  PublisherRules,
  PublisherState,
  Replaying,
} from '../../src/events/stream/state.ts';
import { step } from '../../src/events/stream/step.ts';

export type State = PublisherState<string>;
export type Input = PublisherInput<string>;
export type Effect = PublisherEffect<string>;

export const RULES: PublisherRules<string> = {
  replay: 'available',
  maxPendingMessages: 3,
  maxPendingBytes: 100,
  maxAttempts: 2,
  maxRequests: 5,
  same: (a, b) => a === b,
  // `E7`: a heartbeat.
  isEmpty: payload => payload.startsWith('E'),
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
export const live = (last: string, watermark: number | undefined = known(last).next): State => {
  const { next } = known(last);
  return { kind: 'live', next, last, watermark, breaks: UNBROKEN };
};
export const cold = (
  last: string,
  why: ColdReason,
  watermark: number | undefined = known(last).next,
): State => ({
  ...(live(last, watermark) as State & { kind: 'live' }),
  kind: 'cold',
  why,
});
export const coldAnywhere = (why: ColdReason): State => ({
  kind: 'cold',
  next: undefined,
  last: undefined,
  watermark: undefined,
  breaks: UNBROKEN,
  why,
});
export const LIVE_EMPTY: State = {
  kind: 'live',
  next: 0,
  last: undefined,
  watermark: undefined,
  breaks: UNBROKEN,
};
export const lost = (last?: string, why?: ColdReason): Connecting<string> => ({
  kind: 'connecting',
  after: 'loss',
  known: last === undefined ? undefined : known(last, why),
  watermark: last === undefined ? undefined : known(last).next,
  breaks: UNBROKEN,
});
export const replaying = (
  given: Omit<Partial<Replaying<string>>, 'pending'> & { readonly pending?: readonly string[] },
): State => ({
  kind: 'replaying',
  why: 'gap',
  from: 0,
  known: undefined,
  phase: given.known === undefined || given.why === 'retry' ? 'relearning' : 'comparing',
  watermark: given.pending?.length ? known(given.pending.at(-1)!).next : undefined,
  breaks: UNBROKEN,
  attempts: 1,
  grew: false,
  ...given,
  pending: pendingOf((given.pending ?? []).map(batch => message(batch))),
});
/** `from` has been compared, or was the first: the run is longer now. */
export const GROWN = { phase: 'confirmed', grew: true } as const;
export const draining = (
  given: Omit<Partial<Draining<string>>, 'pending'> & {
    readonly known: Known<string>;
    readonly pending: readonly string[];
  },
): State => ({
  kind: 'draining',
  watermark: known(given.pending.at(-1)!).next,
  breaks: UNBROKEN,
  attempts: 1,
  grew: true,
  ...given,
  pending: pendingOf(given.pending.map(batch => message(batch))),
});

export const hear = (batch: string): Input => ({ kind: 'live', message: message(batch), denied: false });
export const replayed = (batch: string): Input => ({
  kind: 'replayed',
  message: message(batch),
  denied: false,
});
export const ENDED: Input = { kind: 'replay_ended' };
export const IDLE: Input = { kind: 'replay_failed', may: 'continue' };
export const REFUSED: Input = { kind: 'replay_failed', may: 'not_continue' };
export const CONNECTED: Input = { kind: 'connected' };
export const DISCONNECTED: Input = { kind: 'disconnected' };
export const OVERFLOW: Input = { kind: 'overflow' };
export const EXPIRED: Input = { kind: 'expired' };
const applied = (outcome: BatchApplied): Input => ({ kind: 'applied', outcome });
export const APPLIED = applied('ok');
export const DAMAGED = applied('damaged');
export const FAILED = applied('failed');
export const CLEARED = applied('cleared');
export const NEXT: Input = { kind: 'next' };
export const RETRY: Input = { kind: 'retry' };

/** `apply`, `forget why`, `ask from why`, `end`, `drop why count`, `gap missed`. */
export function words(effects: readonly Effect[]): string[] {
  return effects.map(word);
}

export function word(effect: Effect): string {
  switch (effect.kind) {
    case 'apply':
      return `${effect.from} ${effect.message.payload}`;
    case 'forget':
      return `forget ${effect.why}`;
    case 'request_replay':
      return `ask ${effect.from} ${effect.why}`;
    case 'end_replay':
      return 'end';
    case 'drop':
      return `drop ${effect.why} ${effect.messages}`;
    case 'gap':
      return `gap ${effect.missed}`;
  }
}

export type Row = [title: string, from: State, input: Input, to: State, effects: readonly string[]];

/** A gap was seen at A9: 5 is next. Nothing of the replay is here yet. */
export const GAP = replaying({ from: 4, known: known('A4'), pending: ['A9'] });
/** The same, after the replay has brought A5 and A6. */
export const GAP_CONFIRMED = replaying({ from: 4, known: known('A6'), ...GROWN, pending: ['A9'] });
/** A7 was the first of what waits. */
export const DRAINING = draining({ known: known('A7'), pending: ['A8', 'A9'] });
/** Nothing was known, and A9 was watermark first. */
export const FIRST = replaying({ why: 'first_contact', pending: ['A9'] });
/** From cold. */
export const TRYING = replaying({ why: 'retry', known: known('A4', 'overflow'), watermark: 5 });

/** What waits as a list, however it came to be one, and without how often the stream broke: that has its own tests. */
export function plain(state: State): object {
  const { breaks, ...rest } = state;
  return 'pending' in rest ? { ...rest, pending: messagesOf(rest.pending) } : rest;
}

export function describeRows(title: string, rows: readonly Row[], rules = RULES): void {
  describe(title, () => {
    for (const [what, from, input, to, effects] of rows) {
      it(what, () => {
        const result = step(from, input, rules);
        assert.deepEqual(words(result.effects), effects);
        assert.deepEqual(plain(result.state), plain(to));
      });
    }
  });
}
