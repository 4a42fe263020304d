/** The rules of other routers, by their projects' own published cases as far as there are such. */
import { assert } from 'chai';
import { ActiveBlocks } from '../../bench/policies/active-blocks.ts';
import { dynamoCosts } from '../../bench/policies/dynamo.ts';
import { llmD, prefixScore, queueScores } from '../../bench/policies/llm-d.ts';
import { affinityFilter, llmDAffinity, tokenLoadScore } from '../../bench/policies/llm-d-affinity.ts';
import { lowest } from '../../bench/policies/lowest.ts';
import { minTtft, waitingTokens } from '../../bench/policies/min-ttft.ts';
import { RULES, ruleNamed } from '../../bench/policies/rules.ts';
import { SGLANG_DEFAULTS, sglangPick } from '../../bench/policies/sglang.ts';
import type { EngineLoad } from '../../src/domain.ts';
import { TokenWork } from '../../src/routing/work/token-work.ts';
import type { WorkSnapshot } from '../../src/simulation/policy.ts';
import { aPod } from '../support/builders.ts';

const PODS = [aPod({ name: 'a', port: 1 }), aPod({ name: 'b', port: 2 }), aPod({ name: 'c', port: 3 })];

const NO_WORK = new TokenWork(() => 0).ofAll(PODS);

function aSnapshot(changes: Partial<WorkSnapshot> = {}): WorkSnapshot {
  return {
    ...{
      pods: PODS,
      running: [0, 0, 0],
      matchedBlocks: [0, 0, 0],
      totalBlocks: [10, 10, 10],
      queuedTokens: [0, 0, 0],
    },
    ...{
      decoding: [0, 0, 0],
      prefillRate: [10, 10, 10],
      blockSizeTokens: 16,
      turn: 0,
      random: () => 0,
      session: { id: undefined, key: undefined },
      zonePenaltiesMs: undefined,
    },
    request: { atMs: 0, inputTokens: 160, outputTokens: 1, tokensPerId: 512, hashIds: [1] },
    ...{
      promptTokens: 160,
      matchedTokens: [0, 0, 0],
      offGpu: undefined,
      adapter: undefined,
      work: () => NO_WORK,
    },
    engineLoad: () => ({ kind: 'known', waiting: 0, kvUsage: 0 }) as EngineLoad,
    ...changes,
  };
}

describe('Dynamo’s costs', () => {
  // selector.rs, test_overlap_credit_decay_can_prefer_less_loaded_cold_worker.
  const view = {
    promptTokens: 64,
    blockSizeTokens: 16,
    matchedBlocks: [4, 0],
    queuedTokens: [48, 0],
    activeBlocks: [0, 0],
  };

  it('prefer the warm worker without decay, and the cold one with it', () => {
    assert.deepEqual(dynamoCosts(view, 0), [3, 4]);
    const [warm, cold] = dynamoCosts(view, 1);
    assert.approximately(warm!, 7 - 4 / 1.75, 1e-9);
    assert.equal(cold, 4);
  });

  it('add blocks that would be active to those that would wait', () => {
    const costs = dynamoCosts(
      {
        ...view,
        promptTokens: 160,
        matchedBlocks: [2, 5, 8],
        queuedTokens: [0, 0, 0],
        activeBlocks: [10, 5, 9],
      },
      0,
    );
    assert.deepEqual(costs, [18, 10, 11]);
  });

  it('never credit more than there is to be computed', () => {
    assert.deepEqual(dynamoCosts({ ...view, matchedBlocks: [9, 0] }, 0), [0, 4]);
  });

  it('count the blocks of requests in flight once', () => {
    const active = new ActiveBlocks(16);
    const request = { atMs: 0, inputTokens: 700, outputTokens: 1, tokensPerId: 512, hashIds: [1, 2] };
    const ends = [active.begin(0, request), active.begin(0, request)];
    assert.deepEqual([active.with(0, request), active.with(1, request)], [44, 44]);
    assert.equal(active.with(0, { ...request, hashIds: [1, 3] }), 56);
    for (const end of ends) end();
    assert.equal(active.with(0, { ...request, hashIds: [1, 3] }), 44);
  });
});

describe('llm-d’s scores', () => {
  // queue_test.go, TestQueueScorer.
  const QUEUES: readonly (readonly [readonly number[], readonly number[]])[] = [
    [
      [10, 5, 0],
      [0, 0.5, 1],
    ],
    [
      [5, 5],
      [1, 1],
    ],
    [
      [0, 0],
      [1, 1],
    ],
  ];
  for (const [waiting, scores] of QUEUES) {
    it(`of queues of ${waiting.join(', ')} are ${scores.join(', ')}`, () => {
      assert.deepEqual(queueScores(waiting), scores);
    });
  }

  it('of a prefix are its share, 0 of nothing', () => {
    assert.deepEqual([prefixScore(5, 10), prefixScore(0, 0)], [0.5, 0]);
  });

  it('add up by weight: a whole match is worth more than an empty queue, and less than that and a free cache', () => {
    const pick = (loads: readonly (readonly [waiting: number, kvUsage: number])[]) =>
      llmD.create().pick(
        aSnapshot({
          matchedBlocks: [10, 0, 0],
          engineLoad: pod =>
            ({
              kind: 'known',
              waiting: loads[PODS.indexOf(pod)]![0],
              kvUsage: loads[PODS.indexOf(pod)]![1],
            }) as EngineLoad,
        }),
      );
    assert.equal(
      pick([
        [4, 0.2],
        [0, 0.2],
        [4, 0.2],
      ]),
      0,
    );
    assert.equal(
      pick([
        [4, 0.9],
        [0, 0.2],
        [4, 0.2],
      ]),
      1,
    );
  });

  it('treat engines that say nothing as idle', () => {
    const engineLoad = () => ({ kind: 'unknown', why: 'not_read' }) as unknown as EngineLoad;
    assert.equal(llmD.create().pick(aSnapshot({ matchedBlocks: [0, 0, 5], engineLoad })), 2);
  });
});

describe('llm-d’s affinity', () => {
  // prefixcacheaffinity/plugin_test.go: scores per cent, options, how many are left.
  const CASES: readonly (readonly [string, readonly number[], number, number, number])[] = [
    ['TestFilter_AffinityThresholdDisabled', [0, 90], 0, 0, 2],
    ['TestFilter_SingleEndpoint', [90], 0.8, 0, 1],
    ['TestFilter_NoStickyEndpoints', [10, 20, 50], 0.8, 0, 3],
    ['TestFilter_NarrowToSticky', [90, 85, 10], 0.8, 0, 2],
    ['TestFilter_ExplorationProbability', [90, 10], 0.8, 1, 2],
  ];
  for (const [name, percents, affinityThreshold, explorationProbability, left] of CASES) {
    it(`filters as in ${name}`, () => {
      const scores = percents.map(percent => percent / 100);
      assert.lengthOf(
        affinityFilter(scores, () => 0.5, { affinityThreshold, explorationProbability }),
        left,
      );
    });
  }

  it('scores tokens in flight as in TestTokenLoadScorer', () => {
    assert.deepEqual(
      [0, 500, 1_000, 2_000].map(tokens => tokenLoadScore(tokens, 1_000)),
      [1, 0.5, 0, 0],
    );
  });

  it('goes to the pod with the fewest tokens in flight among those that hold most of the prompt', () => {
    const policy = llmDAffinity.create();
    const random = () => 0.5;
    const { request } = aSnapshot();
    const end = policy.sent(0, request);
    assert.equal(policy.pick(aSnapshot({ matchedBlocks: [9, 8, 0], random })), 1);
    policy.sent(1, request);
    end();
    assert.equal(policy.pick(aSnapshot({ matchedBlocks: [9, 8, 0], random })), 0);
  });
});

describe('SGLang’s choice', () => {
  const pick = (running: number[], matchedBlocks: number[], options = SGLANG_DEFAULTS) =>
    sglangPick({ running, matchedBlocks, totalBlocks: running.map(() => 10) }, options);

  // cache_aware.rs, test_cache_aware_with_imbalanced_load and test_cache_aware_with_balanced_load.
  it('is the least loaded where the load is uneven', () => {
    assert.equal(
      pick([20, 0], [10, 0], { cacheThreshold: 0.5, balanceAbsThreshold: 5, balanceRelThreshold: 2 }),
      1,
    );
  });

  it('is the one that has seen the prompt where it is even', () => {
    assert.equal(pick([1, 0], [10, 0]), 0);
  });

  it('is the least loaded where little of the prompt is known', () => {
    assert.equal(pick([1, 0], [3, 0]), 1);
    assert.equal(pick([1, 0], [4, 0]), 0);
  });

  it('is uneven only by both measures', () => {
    assert.equal(pick([200, 140], [10, 0]), 0, 'by 60');
    assert.equal(pick([265, 200], [10, 0]), 0, 'by less than half');
    assert.equal(pick([301, 200], [10, 0]), 1);
  });

  it('is the less loaded of those that hold the same', () => {
    assert.equal(pick([3, 2, 0], [8, 8, 0]), 1);
  });
});

describe('the soonest first token', () => {
  it('is where the least is to be computed before it', () => {
    const snapshot = aSnapshot({ matchedBlocks: [10, 5, 0], queuedTokens: [100, 0, 0] });
    assert.deepEqual(waitingTokens(snapshot), [100, 80, 160]);
    assert.equal(minTtft.create().pick(snapshot), 1);
  });

  it('is any of equals', () => {
    assert.deepEqual(
      [0, 0.4, 0.9].map(drawn => lowest([1, 2, 1, 1], () => drawn)),
      [0, 2, 3],
    );
  });
});

describe('the rules', () => {
  it('have names of their own, beside the router’s', () => {
    assert.equal(new Set(RULES.map(({ name }) => name)).size, RULES.length);
    for (const rule of RULES) assert.equal(ruleNamed(rule.name), rule);
    assert.equal(ruleNamed('power-of-two').name, 'power-of-two');
  });

  it('all pick one of the pods', () => {
    for (const rule of RULES) {
      const policy = rule.create();
      const place = policy.pick(aSnapshot());
      assert.isTrue(place >= 0 && place < PODS.length, rule.name);
      policy.sent(place, aSnapshot().request)();
    }
  });
});
