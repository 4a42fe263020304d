import type { AllowedPods, Picked } from '../candidates.ts';
import type { PrefixFound } from '../prefix-lookup.ts';
import { type Comparison, matchedPercent, type Pick, type Snapshot } from '../strategies/snapshot.ts';
import type { Candidate, Compared, Considered } from './course.ts';

/** What these leave to chance or to the request has no order. */
const UNRANKED: ReadonlySet<Comparison['kind']> = new Set(['other', 'turn', 'two_drawn']);
/** Besides the winner and the least loaded, which are kept in any case. */
const KEPT = 16;

export interface ConsideredParts {
  readonly allowed: AllowedPods;
  /** Whose pods the snapshot has. */
  readonly picked: Picked;
  readonly snapshot: Snapshot;
  readonly pick: Omit<Pick, 'reason'>;
  /** undefined: matches are not blocks. */
  readonly found: PrefixFound | undefined;
}

/** What is kept of a choice that was just made: one look at each pod, then a list of the best that is as long with eight pods as with thousands. */
export function consideredIn({ allowed, picked, snapshot, pick, found }: ConsideredParts): Considered {
  const { running, matchedBlocks } = snapshot;
  const { index: winner, comparison } = pick;
  const scores = scoresOf(comparison);
  const sign = comparison.kind === 'weighted' ? 1 : -1;
  /** The higher the better, as far as the policy compares anything but the load. */
  const worthOf = (i: number): number => {
    if (scores !== undefined) return Number.isNaN(scores[i]!) ? Number.NEGATIVE_INFINITY : sign * scores[i]!;
    return comparison.kind === 'prefix' ? matchedPercent(snapshot, i) : 0;
  };

  const best: number[] = [];
  const worths: number[] = [];
  const isBetter = (worth: number, load: number, at: number) =>
    worth > worths[at]! || (worth === worths[at]! && load < running[best[at]!]!);
  let least = winner;
  let most = 0;
  let sum = 0;
  let holders = 0;
  for (let i = 0; i < running.length; i++) {
    const load = running[i]!;
    sum += load;
    if (load > most) most = load;
    if (load < running[least]!) least = i;
    if (matchedBlocks[i]! > 0) holders++;
    if (i === winner) continue;
    const worth = worthOf(i);
    let at = best.length;
    if (at === KEPT && !isBetter(worth, load, --at)) continue;
    for (; at > 0 && isBetter(worth, load, at - 1); at--) {
      best[at] = best[at - 1]!;
      worths[at] = worths[at - 1]!;
    }
    best[at] = i;
    worths[at] = worth;
  }
  const place = UNRANKED.has(comparison.kind) ? 0 : placeOf(winner);
  best.splice(place, 0, winner);
  if (!best.includes(least)) best.push(least);

  /** Before its equals, of which it was drawn. */
  function placeOf(index: number): number {
    const worth = worthOf(index);
    const load = running[index]!;
    let place = best.length;
    while (place > 0 && (isBetter(worth, load, place - 1) || isEqual(worth, load, place - 1))) place--;
    return place;
  }

  function isEqual(worth: number, load: number, at: number): boolean {
    return worth === worths[at]! && load === running[best[at]!]!;
  }

  const { offGpu } = found ?? {};
  const candidates: Candidate[] = [];
  for (const i of best) {
    candidates.push({
      pod: snapshot.pods[i]!,
      health: picked.states[i]!,
      running: running[i]!,
      matchedBlocks: matchedBlocks[i]!,
      totalBlocks: snapshot.totalBlocks[i]!,
      cpu: offGpu === undefined ? 0 : offGpu.cpu[i]!,
      storage: offGpu === undefined ? 0 : offGpu.storage[i]!,
      score: scores?.[i],
      shares:
        comparison.kind === 'weighted' ? comparison.shares.map(ofMember => ofMember?.[i] ?? 0) : undefined,
    });
  }
  return {
    serving: allowed.serving,
    allowed: allowed.pods.length,
    kind: picked.kind,
    leftOut: picked.leftOut,
    pods: running.length,
    running: { least: running[least]!, most, mean: sum / running.length },
    holders,
    blockSizeTokens: found?.blockSizeOf(winner),
    compared: comparedBy(comparison, snapshot),
    unscored: pick.unscored,
    matchesAre: found === undefined ? 'turns' : 'blocks',
    candidates,
    winner: place,
  };
}

function scoresOf(comparison: Comparison): readonly number[] | undefined {
  if (comparison.kind === 'engines') return comparison.scores;
  return comparison.kind === 'weighted' ? comparison.sums : undefined;
}

/** Without what there is one of for each pod. */
function comparedBy(comparison: Comparison, { pods, running }: Snapshot): Compared {
  switch (comparison.kind) {
    case 'engines':
    case 'weighted':
      return comparison.kind === 'engines' ? BY_ENGINES : BY_WEIGHTS;
    case 'two_drawn': {
      const { one, other } = comparison;
      const drawn = [one, other].map(i => ({ pod: pods[i]!.name, running: running[i]! }));
      return { kind: 'two_drawn', drawn };
    }
    default:
      return comparison;
  }
}

const BY_ENGINES: Compared = { kind: 'engines' };
const BY_WEIGHTS: Compared = { kind: 'weighted' };
