/** One rule on one workload, in a process of its own: the run comes as a message, and the result goes as one. */
import { once } from 'node:events';
import process from 'node:process';
import { LLAMA_70B_ON_4_H100 } from '../../src/simulation/engine/cost-model.ts';
import { policyResult } from '../../src/simulation/report/results.ts';
import { simulate } from '../../src/simulation/simulate.ts';
import { ONE_ZONE } from '../../src/simulation/zones.ts';
import { ruleNamed } from './rules.ts';
import { type Played, playedTrace } from './workloads.ts';

export interface OneRun {
  readonly rule: string;
  readonly played: Played;
  readonly load: number;
  readonly seed: number;
  readonly pods: number;
  readonly capacityTokens: readonly number[];
  readonly speeds: readonly number[];
  readonly warmUpMs: number;
}

const [message] = await once(process, 'message');
const { rule, played, load, seed, ...fleet } = message as OneRun;
const result = await simulate({
  ...fleet,
  policy: ruleNamed(rule),
  seed,
  trace: playedTrace(played, seed, load),
  cost: LLAMA_70B_ON_4_H100,
  ...{ blockSizeTokens: 16, maxBatchedTokens: 8_192, maxSequences: 1_024 },
  ...{ eventDelayMs: 5, metricsIntervalMs: 1_000, expectedBlocksTtlMs: 5_000 },
  zones: ONE_ZONE,
});
process.send!(policyResult(rule, seed, result), () => process.disconnect());
