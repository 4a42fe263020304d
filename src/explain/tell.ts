/** Puts a decision that was kept into the record that is shown. */
import { endpointOf, type RoutedDecision, type WhyLeft } from '../domain.ts';
import { type Candidate, type Considered, candidateAt, type StageTimes, whyLeft } from '../routing/route.ts';
import type { KeptDecision } from './kept-decision.ts';
import { type PolicyLimits, policySteps, rejectionSteps } from './policy-steps.ts';
import type { CandidateRecord, DecisionRecord, StageRecord } from './record.ts';
import { ranked, rounded, scoreOf } from './score.ts';
import { verdictOn } from './verdict.ts';

/** @param limits the ones that decisions were made with */
export function tellDecision(kept: KeptDecision, limits: PolicyLimits): DecisionRecord {
  const { id, traceId, path, model, outcome, course, steering, served } = kept;
  const considered = course?.considered;
  const left = whyLeft(steering);
  return {
    id,
    ...(traceId !== undefined && { traceId }),
    at: new Date(kept.atMs).toISOString(),
    ...{ path, model: model ?? null, outcome: outcome.kind },
    ...(left !== undefined && { left }),
    ...(outcome.kind === 'rejected' && { error: outcome.error }),
    ...(outcome.kind === 'routed' && routedFields(outcome)),
    ...(course?.tokens !== undefined && { tokens: course.tokens }),
    ...(considered?.blockSizeTokens !== undefined && { blockSizeTokens: considered.blockSizeTokens }),
    candidates:
      outcome.kind === 'routed' && considered !== undefined ? candidateRecords(outcome, considered) : [],
    candidatesLeftOut: considered === undefined ? 0 : considered.pods - considered.candidates.pods.length,
    policy: [
      ...(outcome.kind === 'routed' && considered !== undefined
        ? policySteps(outcome, { considered, tokens: course?.tokens }, limits)
        : rejectionSteps(outcome)),
      ...(left === undefined ? [] : [NOT_DONE[left]]),
    ],
    stages: course === undefined ? [] : stageRecords(course.stages),
    tookMicroseconds: microseconds(kept.tookMs),
    ...(course?.prompt !== undefined && { prompt: course.prompt }),
    ...(served !== undefined && { served }),
  };
}

/** What is said of requests that are not sent where the router would send them. */
const NOT_DONE: Readonly<Record<WhyLeft, string>> = {
  rollout:
    'Not done: Envoy balances this request, which is not of the share that is routed (WARMROUTE_ROLLOUT_PERCENT).',
  shadow: 'Not done: Envoy balances all requests (WARMROUTE_MODE=shadow).',
};

function routedFields(decision: RoutedDecision): Partial<DecisionRecord> {
  const { pod, rank, retries, strategy, reason, withoutTokens } = decision;
  const { totalBlocks, matchedBlocks, offGpu } = decision;
  return {
    ...{ strategy: strategy.text, reason, ...(withoutTokens !== undefined && { withoutTokens }) },
    ...{ pod: pod.name, endpoint: endpointOf(pod), ...(rank !== undefined && { rank }) },
    ...{ retries: retries.map(({ name }) => name), totalBlocks, matchedBlocks, offGpu },
  };
}

function candidateRecords(decision: RoutedDecision, considered: Considered): CandidateRecord[] {
  return ranked(considered).map(at => {
    const candidate = candidateAt(at, considered.candidates);
    return {
      pod: candidate.pod.name,
      endpoint: endpointOf(candidate.pod),
      health: candidate.health,
      running: candidate.running,
      matchedBlocks: candidate.matchedBlocks,
      totalBlocks: candidate.totalBlocks,
      cpu: candidate.cpu,
      storage: candidate.storage,
      score: scoreOf(candidate, considered.compared),
      ...sharesOf(candidate, decision),
      verdict: verdictOn(at, decision, considered),
    };
  });
}

function sharesOf({ shares }: Candidate, { strategy }: RoutedDecision): Pick<CandidateRecord, 'shares'> {
  if (shares === undefined || strategy.kind !== 'weighted') return {};
  return {
    shares: strategy.members.map(({ name, weight }, i) => ({
      strategy: name,
      weight,
      share: rounded(shares[i] ?? 0),
    })),
  };
}

const STAGES = ['parse', 'tokenize', 'match', 'hash', 'decide'] as const;

function stageRecords(times: StageTimes): StageRecord[] {
  return STAGES.flatMap(stage => {
    const ms = times[stage];
    return ms === undefined ? [] : [{ stage, microseconds: microseconds(ms) }];
  });
}

function microseconds(ms: number): number {
  return Math.round(1_000 * ms);
}
