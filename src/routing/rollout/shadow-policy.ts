/** A second policy that is asked beside the one in force, and of which nothing follows. */
import { labelOf, type Strategy, type StrategyLabel, usesPrefixes } from '../../domain.ts';
import type { Picker, Snapshot } from '../policy.ts';
import { type PrefixCostOptions, prefixCosts } from '../strategies/prefix-cost.ts';
import type { Comparison } from '../strategies/snapshot.ts';

/** What one of two policies would get for a request. */
export interface ExpectedOfPick {
  /** What `prefix-cost` reckons the pod to cost, in milliseconds, whichever policy has picked it. */
  readonly costMs: number;
  /** Tokens of the prompt that the pod holds. */
  readonly cachedTokens: number;
}

/** Two policies, asked of the same pods at the same moment. */
export interface ComparedPicks {
  readonly policy: StrategyLabel;
  readonly isSame: boolean;
  readonly active: ExpectedOfPick;
  readonly shadow: ExpectedOfPick;
}

/** What was picked, and by what. */
export interface ActivePick {
  /** Of the pod in the snapshot's list. */
  readonly index: number;
  readonly comparison: Comparison;
}

export interface ShadowPolicy {
  /** Whether it has to know what pods hold of the prompt. */
  readonly usesPrefixes: boolean;
  /** @param active the pick of the policy in force */
  compare(active: ActivePick, snapshot: Snapshot): void;
}

export interface ShadowPolicyParts {
  readonly strategy: Strategy;
  readonly pick: Picker;
  readonly costs: PrefixCostOptions;
  /** Of its own, so that the policy in force draws what it would draw without it. Uniform in [0, 1). */
  readonly random: () => number;
  readonly onCompared: (picks: ComparedPicks) => void;
}

export function createShadowPolicy(parts: ShadowPolicyParts): ShadowPolicy {
  const { strategy, pick, costs: options, random, onCompared } = parts;
  const policy = labelOf(strategy);
  return {
    usesPrefixes: usesPrefixes(strategy),
    compare(active, snapshot) {
      const shadow = pick(strategy, { ...snapshot, random });
      const costs = costsIn(active) ?? costsIn(shadow) ?? prefixCosts(snapshot, options).costs;
      const expectedOf = ({ index }: ActivePick): ExpectedOfPick => ({
        costMs: costs[index]!,
        cachedTokens: Math.min(snapshot.matchedTokens[index]!, snapshot.promptTokens),
      });
      onCompared({
        policy,
        isSame: shadow.index === active.index,
        active: expectedOf(active),
        shadow: expectedOf(shadow),
      });
    },
  };
}

/** undefined: it was not picked by cost. */
function costsIn({ comparison }: ActivePick): Float64Array | undefined {
  return comparison.kind === 'cost' ? comparison.costs : undefined;
}
