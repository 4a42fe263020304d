/** One rule on one workload, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
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

const { rule, played, load, seed, ...fleet } = workerData as OneRun;
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
parentPort!.postMessage(policyResult(rule, seed, result));
