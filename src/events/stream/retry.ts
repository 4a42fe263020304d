/** After a wait a cold state is tried to be made a live one. */
import { onTrial } from './breaks.ts';
import { stay, to } from './effects.ts';
import { requestAnew, requestFrom } from './repair.ts';
import { coldAnywhere, knownOf } from './run.ts';
import type { Cold, ColdReason, PublisherRules, PublisherState, Step } from './state.ts';

/** Of these another replay could be the end; what was evicted or never replayed is gone for good. */
const RETRIED: ReadonlySet<ColdReason> = new Set<ColdReason>([
  'replay_failed',
  'overflow',
  'hole',
  'backing_off',
  'foreign_replay',
]);

export function mayBeRetried<P>(
  state: PublisherState<P>,
  { replay }: Pick<PublisherRules<P>, 'replay'>,
): boolean {
  if (state.kind !== 'cold') return false;
  if (state.why === 'two_publishers') return true;
  // A foreign replay is known by what has been heard: without any it would be believed once more.
  if (state.why === 'foreign_replay' && state.next === undefined) return false;
  return replay === 'available' && RETRIED.has(state.why);
}

export function retry<P>(state: Cold<P>, rules: PublisherRules<P>): Step<P> {
  if (!mayBeRetried(state, rules)) return stay(state);
  const { next, watermark, why } = state;
  if (why === 'two_publishers') {
    // It may be the watermark of the one that is not there any more.
    const heard = { watermark: undefined, breaks: onTrial(state.breaks) };
    return rules.replay === 'available'
      ? requestAnew('retry', { known: undefined, ...heard })
      : to(coldAnywhere('no_replay', heard));
  }
  const known = knownOf(state);
  const broken = { known, watermark, breaks: state.breaks };
  // Whose replays left something out, or were another's: first it has to have what was heard last.
  const isDoubted = why === 'hole' || why === 'foreign_replay';
  return isDoubted && next !== undefined && known?.last !== undefined
    ? requestFrom(next - 1, 'comparing', 'retry', broken)
    : requestAnew('retry', broken);
}
