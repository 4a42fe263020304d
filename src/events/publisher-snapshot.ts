import type { BreakerState } from '../time.ts';
import type { StateName } from './feed-fact.ts';
import type { PublisherError } from './publisher-errors.ts';
import type { ColdReason, PublisherState, ReplayReason } from './stream/stream.ts';

export interface PublisherSnapshot {
  readonly state: StateName;
  readonly why: ColdReason | ReplayReason | undefined;
  readonly circuit: BreakerState;
  /** Of the last batch that counts as applied. */
  readonly sequence: number | undefined;
  readonly lagSeconds: number | undefined;
  readonly blocks: number;
  /** Blocks that wait for their parent. */
  readonly orphans: number;
  /** Live messages that wait for a replay. */
  readonly held: number;
  readonly gaps: number;
  readonly replays: number;
  readonly restarts: number;
  /** Oldest first. */
  readonly lastErrors: readonly PublisherError[];
}

/** What the machine's state tells of the stream. */
export function streamSnapshot(
  state: PublisherState<Uint8Array>,
): Pick<PublisherSnapshot, 'state' | 'why' | 'sequence' | 'held'> {
  const { next } = (state.kind === 'live' || state.kind === 'cold' ? state : state.known) ?? {};
  return {
    state: state.kind,
    why: whyOf(state),
    sequence: next === undefined || next === 0 ? undefined : next - 1,
    held: state.kind === 'replaying' || state.kind === 'draining' ? state.pending.count : 0,
  };
}

export function whyOf(state: PublisherState<unknown>): ColdReason | ReplayReason | undefined {
  return state.kind === 'cold' || state.kind === 'replaying' ? state.why : undefined;
}
