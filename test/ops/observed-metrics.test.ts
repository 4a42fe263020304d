import { assert } from 'chai';
import type { Decision, Reason } from '../../src/domain.ts';
import { matchBucket } from '../../src/ops/observed.ts';
import { createPicker, DEFAULT_COSTS } from '../../src/routing/policy.ts';
import { aPod, aStrategy } from '../support/builders.ts';
import { snapshotOf } from '../support/candidates.ts';
import { samplesOf } from '../support/telemetry.ts';
import { aDecision, aRequest, deciding, type Observing, observing, PODS, SECRET } from './observing.ts';

describe('observed decisions', () => {
  const never = new AbortController().signal;
  let observed: Observing;

  beforeEach(() => {
    observed = observing();
  });
  afterEach(() => observed.telemetry.stop());

  describe('as metrics', () => {
    async function metricsAfter(decision: Decision): Promise<(name: string) => string[]> {
      await observed.observer.route(deciding(decision))(aRequest(), never);
      const text = await observed.telemetry.scrape();
      return name => samplesOf(name, text);
    }

    it('count under AIBrix’s names and labels', async () => {
      const metric = await metricsAfter(aDecision());
      assert.deepEqual(metric('aibrix_prefix_cache_routing_decisions_total'), [
        'aibrix_prefix_cache_routing_decisions_total{model="demo",match_percent_bucket="26-50",using_kv_sync="true"} 1',
      ]);
      assert.deepEqual(metric('aibrix_prefix_cache_routing_selection_total'), [
        'aibrix_prefix_cache_routing_selection_total{model="demo",selection="prefix_match",using_kv_sync="true"} 1',
      ]);
      assert.deepEqual(metric('aibrix_prefix_cache_routing_latency_seconds_count'), [
        'aibrix_prefix_cache_routing_latency_seconds_count{model="demo",using_kv_sync="true"} 1',
      ]);
      assert.lengthOf(metric('aibrix_prefix_cache_routing_latency_seconds_bucket'), 16);
      assert.isEmpty(metric('aibrix_prefix_cache_routing_errors_total'));
    });

    for (const [zone, pod] of [
      ['own', aPod({ zone: 'a' })],
      ['other', aPod({ zone: 'b' })],
      ['unknown', aPod()],
    ] as const) {
      it(`count by the zone of the pod: ${zone}`, async () => {
        const metric = await metricsAfter(aDecision({ pod }));
        assert.deepEqual(metric('warmroute_zone_picks_total'), [
          `warmroute_zone_picks_total{model="demo",zone="${zone}"} 1`,
        ]);
      });
    }

    it('count under our own', async () => {
      const metric = await metricsAfter(aDecision({ matchedBlocks: 3, totalBlocks: 4 }));
      assert.deepEqual(
        [
          ...metric('warmroute_decisions_total'),
          ...metric('warmroute_matched_blocks_total'),
          ...metric('warmroute_prompt_blocks_total'),
        ],
        [
          'warmroute_decisions_total{model="demo",strategy="prefix-cache",reason="prefix_match"} 1',
          'warmroute_matched_blocks_total{model="demo",tier="gpu"} 3',
          'warmroute_prompt_blocks_total{model="demo"} 4',
        ],
      );
    });

    it('count how they ended by the statuses that there are, whatever answers', async () => {
      const route = observed.observer.route(deciding(aDecision()));
      for (const status of [200, 599, 600, 99, 200.5, -1, 1e300, Number.NaN]) {
        const outcome = await route(aRequest(), never);
        outcome.answered({ status, servedBy: undefined });
        outcome.release();
      }
      assert.sameMembers(samplesOf('warmroute_ended_requests_total', await observed.telemetry.scrape()), [
        'warmroute_ended_requests_total{model="demo",status="200"} 1',
        'warmroute_ended_requests_total{model="demo",status="599"} 1',
        'warmroute_ended_requests_total{model="demo",status="unseen"} 6',
      ]);
    });

    it('count the matched blocks by where they are', async () => {
      const offGpu = { cpu: 2, storage: 1 };
      const metric = await metricsAfter(aDecision({ matchedBlocks: 7, totalBlocks: 8, offGpu }));
      assert.sameMembers(metric('warmroute_matched_blocks_total'), [
        'warmroute_matched_blocks_total{model="demo",tier="gpu"} 4',
        'warmroute_matched_blocks_total{model="demo",tier="cpu"} 2',
        'warmroute_matched_blocks_total{model="demo",tier="storage"} 1',
      ]);
    });

    const selections: [Reason, string, string | undefined][] = [
      ['prefix_match', 'prefix_match', undefined],
      ['prefix_match_skipped', 'prefix_match_skipped', undefined],
      ['no_match', 'least_request_fallback', undefined],
      ['prompt_refused', 'least_request_fallback', undefined],
      ['tokenizer_failed', 'least_request_fallback', 'tokenize_failed'],
      ['deadline', 'least_request_fallback', 'deadline'],
      ['index_failed', 'least_request_fallback', 'sync_indexer_unavailable'],
    ];
    for (const [reason, selection, failure] of selections) {
      it(`count ${reason} as selection ${selection} and error ${failure ?? 'none'}`, async () => {
        const metric = await metricsAfter(aDecision({ reason }));
        assert.include(metric('aibrix_prefix_cache_routing_selection_total')[0], `selection="${selection}"`);
        const errors = metric('aibrix_prefix_cache_routing_errors_total');
        assert.lengthOf(errors, failure === undefined ? 0 : 1);
        if (failure !== undefined) assert.include(errors[0], `reason="${failure}"`);
      });
    }

    for (const reason of ['only_pod', 'no_prompt'] as const) {
      it(`do not count in AIBrix’s hit rate when its prefix router would not be asked: ${reason}`, async () => {
        const metric = await metricsAfter(aDecision({ reason }));
        assert.lengthOf(metric('warmroute_decisions_total'), 1);
        assert.isEmpty(metric('aibrix_prefix_cache_routing_decisions_total'));
      });
    }

    it('do not count when the client has gone', async () => {
      const metric = await metricsAfter(aDecision({ reason: 'cancelled' }));
      assert.isEmpty(metric('warmroute_decisions_total'));
      assert.isEmpty(metric('aibrix_prefix_cache_routing_errors_total'));
    });

    it('of other strategies do not count as AIBrix’s prefix-cache ones', async () => {
      const metric = await metricsAfter(aDecision({ strategy: aStrategy('random'), reason: 'random' }));
      assert.lengthOf(metric('warmroute_decisions_total'), 1);
      assert.isEmpty(metric('aibrix_prefix_cache_routing_decisions_total'));
      assert.isEmpty(metric('aibrix_prefix_cache_routing_latency_seconds_count'));
    });

    it('count rejections by kind, never by what the client wrote', async () => {
      const metric = await metricsAfter({
        kind: 'rejected',
        error: { kind: 'unknown_model', model: SECRET },
      });
      assert.deepEqual(metric('warmroute_rejections_total'), [
        'warmroute_rejections_total{kind="unknown_model"} 1',
      ]);
      assert.notInclude(await observed.telemetry.scrape(), SECRET);
    });

    it('count what is left to Envoy’s routes', async () => {
      const metric = await metricsAfter({ kind: 'passed', model: 'demo' });
      assert.deepEqual(metric('warmroute_passed_total'), ['warmroute_passed_total{model="demo"} 1']);
      assert.isEmpty(metric('warmroute_decisions_total'));
    });

    it('time each stage', async () => {
      await observed.route()(aRequest(), never);
      const text = await observed.telemetry.scrape();
      assert.include(text, 'warmroute_decision_seconds_count{outcome="routed"} 1');
      for (const stage of ['parse', 'tokenize', 'match', 'decide']) {
        assert.include(text, `warmroute_stage_seconds_count{stage="${stage}"} 1`);
      }
    });

    it('count where the load was too uneven for the prefix', async () => {
      const pick = observed.observer.pick(
        createPicker({ imbalanceRequests: 8, standardDeviationFactor: 1, ...DEFAULT_COSTS }),
      );
      const snapshot = { ...snapshotOf([[0], [9]], () => 0), pods: PODS };
      pick(aStrategy(), snapshot);
      pick(aStrategy('random'), snapshot);
      assert.deepEqual(
        samplesOf('aibrix_prefix_cache_load_imbalance_total', await observed.telemetry.scrape()),
        ['aibrix_prefix_cache_load_imbalance_total{model="demo",using_kv_sync="true"} 1'],
      );
    });
  });
});

describe('AIBrix’s buckets of the matched share', () => {
  const table: [number, number, string][] = [
    ...([
      [0, 0, '0'],
      [0, 10, '0'],
      [1, 200, '0'],
      [1, 100, '1-25'],
      [25, 100, '1-25'],
    ] as const),
    ...([
      [26, 100, '26-50'],
      [1, 2, '26-50'],
      [51, 100, '51-75'],
      [3, 4, '51-75'],
    ] as const),
    ...([
      [76, 100, '76-100'],
      [4, 4, '76-100'],
    ] as const),
  ].map(([matched, total, bucket]) => [matched, total, bucket]);
  for (const [matched, total, bucket] of table) {
    it(`${matched} of ${total} blocks: ${bucket}`, () => assert.equal(matchBucket(matched, total), bucket));
  }
});
