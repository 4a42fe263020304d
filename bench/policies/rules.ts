import type { NamedPolicy } from '../../src/simulation/policy.ts';
import { routerPolicy } from '../../src/simulation/router-policies.ts';
import { aibrix } from './aibrix.ts';
import { leastRequest, random, roundRobin } from './blind.ts';
import { dynamo, dynamoDecay } from './dynamo.ts';
import { llmD } from './llm-d.ts';
import { llmDAffinity } from './llm-d-affinity.ts';
import { minTtft } from './min-ttft.ts';
import { sglang } from './sglang.ts';

/** All that are compared, in the order in which they are shown. */
export const RULES: readonly NamedPolicy[] = [
  ...[roundRobin, random, leastRequest, aibrix, sglang],
  ...[llmD, llmDAffinity, dynamo, dynamoDecay, minTtft],
  routerPolicy('prefix-cost'),
];

/** A peer's rule, or a policy of the router's. */
export function ruleNamed(name: string): NamedPolicy {
  return RULES.find(rule => rule.name === name) ?? routerPolicy(name);
}
