import { assert } from 'chai';
import type { PublisherReport } from '../../src/events/event-feed.ts';
import {
  forgetUnservedModels,
  reportBuild,
  reportDiscovery,
  reportDoor,
  reportLog,
  reportPods,
  reportState,
} from '../../src/ops/reports.ts';
import type { DiscoveryProblem } from '../../src/pods/problem.ts';
import { PodRegistry } from '../../src/pods/registry.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { Load } from '../../src/routing/load.ts';
import { chainOf, engineHashesOf } from '../support/blocks.ts';
import { aCacheState, aPod, type LogLine, recordingLog } from '../support/builders.ts';
import { FeedBench } from '../support/feed-bench.ts';
import { removed, stored, tokensOf } from '../support/kv-events.ts';
import { samplesOf, type TestTelemetry, testTelemetry } from '../support/telemetry.ts';

function aPublisher(given: Partial<PublisherReport>): PublisherReport {
  return {
    ...{ pod: 'engine-0', rank: 0, endpoint: undefined, state: 'live', why: undefined, circuit: 'closed' },
    ...{ sequence: 1, lagSeconds: 0, blocks: 0, orphans: 0, held: 0, gaps: 0, replays: 0, restarts: 0 },
    lastErrors: [],
    ...given,
  };
}

describe('reports of the parts', () => {
  let telemetry: TestTelemetry;
  let logged: ReturnType<typeof recordingLog>;

  beforeEach(() => {
    telemetry = testTelemetry();
    logged = recordingLog();
  });
  afterEach(() => telemetry.stop());

  const levels = () => logged.lines.map((line: LogLine) => line.level);
  const metric = async (name: string) => samplesOf(name, await telemetry.scrape());

  it('of the build are one series, which is 1', async () => {
    reportBuild(telemetry.instruments, '1.2.3');
    assert.deepEqual(await metric('warmroute_build_info'), [
      `warmroute_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
    ]);
  });

  describe('of the discovery', () => {
    const problems: DiscoveryProblem[] = [
      { kind: 'invalid_file', path: '/pods', problems: [{ place: 'pods', reason: 'is required' }] },
      { kind: 'unreadable_file', path: '/pods', code: 'ENOENT', reason: 'no such file' },
      { kind: 'unresolved_host', host: 'engine', reason: 'not found', keptAddresses: [] },
    ];
    for (const problem of problems) {
      it(`${problem.kind} is an error in the log, and counted`, async () => {
        reportPods(telemetry.instruments, logged.log).onProblem(problem);
        assert.deepEqual(levels(), ['error']);
        assert.deepEqual(await metric('warmroute_pod_discovery_problems_total'), [
          `warmroute_pod_discovery_problems_total{kind="${problem.kind}"} 1`,
        ]);
      });
    }

    it('reserved_address is a warning: the pods are used all the same', async () => {
      const findings = [{ of: 'a', address: '224.0.0.1', what: 'multicast' }];
      reportPods(telemetry.instruments, logged.log).onProblem({ kind: 'reserved_address', findings });
      assert.deepEqual(levels(), ['warn']);
      assert.deepEqual(await metric('warmroute_pod_discovery_problems_total'), [
        'warmroute_pod_discovery_problems_total{kind="reserved_address"} 1',
      ]);
    });

    for (const [problem, level] of [
      [{ kind: 'bad_annotation', pod: 'ns/a', key: 'k', value: 'v', reason: 'must be w' }, 'warn'],
      [{ kind: 'no_model', pod: 'ns/a' }, 'warn'],
      [{ kind: 'model_not_served', pod: 'ns/a', model: 'm', served: ['n', 'o'] }, 'warn'],
      [{ kind: 'impossible_address', pod: 'ns/a', ip: '224.0.0.1', what: 'multicast' }, 'warn'],
      [{ kind: 'shared_address', pod: 'ns/a', endpoint: '10.0.0.1:1', with: 'ns/b' }, 'warn'],
      [{ kind: 'alias_of_two', alias: 'x', model: 'm', other: 'n' }, 'warn'],
      [{ kind: 'missing_pool', pool: 'ns/pool' }, 'error'],
    ] as const) {
      it(`${problem.kind} is at level ${level}, names all that it is about, and is counted`, async () => {
        reportPods(telemetry.instruments, logged.log).onProblem(problem);
        assert.deepEqual(levels(), [level]);
        const { kind, ...about } = problem;
        for (const each of Object.values(about).flat()) assert.include(logged.lines[0]!.message, each);
        assert.lengthOf(await metric('warmroute_pod_discovery_problems_total'), 1);
        assert.deepEqual(logged.lines[0]!.fields, { problem: kind });
      });
    }

    it('an InferencePool that is there is logged', () => {
      reportPods(telemetry.instruments, logged.log).onPoolFound('ns/pool');
      assert.deepEqual(logged.lines[0], {
        level: 'info',
        fields: { pool: 'ns/pool' },
        message: 'the InferencePool is there',
      });
    });

    it('a new pods file is logged', () => {
      reportPods(telemetry.instruments, logged.log).onReload(3);
      assert.deepEqual(levels(), ['info']);
      assert.deepEqual(logged.lines[0]?.fields, { entries: 3 });
    });
  });

  describe('of the log', () => {
    for (const [name, dropped, value] of [
      ['what it has dropped', () => 7, 7],
      ['nothing', undefined, 0],
    ] as const) {
      it(`tell ${name}`, async () => {
        reportLog(telemetry.instruments, dropped);
        assert.deepEqual(await metric('warmroute_log_lines_dropped_total'), [
          `warmroute_log_lines_dropped_total ${value}`,
        ]);
      });
    }
  });

  describe('of Envoy’s door', () => {
    it('count and log what it answers itself', async () => {
      reportDoor(
        telemetry.instruments,
        logged.log,
      )({ kind: 'rejected', error: { kind: 'body_too_large', limitBytes: 1 }, steering: 'steered' });
      assert.deepEqual(await metric('warmroute_rejections_total'), [
        'warmroute_rejections_total{kind="body_too_large"} 1',
      ]);
      assert.deepEqual(levels(), ['info']);
    });

    it('count each rejection, and log the first of a kind alone, the others for debugging', () => {
      const report = reportDoor(telemetry.instruments, logged.log);
      for (let i = 0; i < 1_000; i++)
        report({ kind: 'rejected', error: { kind: 'body_too_large', limitBytes: 1 }, steering: 'steered' });
      assert.lengthOf(logged.lines, 1_000);
      assert.deepEqual(levels().slice(0, 3), ['info', 'debug', 'debug']);
      assert.notInclude(levels().slice(1), 'info');
    });

    it('count what goes on without a pick, and log it once', async () => {
      const report = reportDoor(telemetry.instruments, logged.log);
      for (let i = 0; i < 3; i++) report({ kind: 'undecided', why: 'late_body' });
      assert.deepEqual(await metric('warmroute_undecided_total'), [
        'warmroute_undecided_total{why="late_body"} 3',
      ]);
      assert.deepEqual(levels(), ['warn']);
    });
  });

  it('time bodies and replies, and count requests that Envoy gives up', async () => {
    const report = reportDoor(telemetry.instruments, logged.log);
    report({ kind: 'received', tookMs: 250 });
    report({ kind: 'replied', tookMs: 0.5 });
    for (const during of ['body', 'decision', 'decision'] as const) report({ kind: 'abandoned', during });
    assert.deepEqual(await metric('warmroute_receive_seconds_sum'), ['warmroute_receive_seconds_sum 0.25']);
    assert.deepEqual(await metric('warmroute_stage_seconds_sum'), [
      'warmroute_stage_seconds_sum{stage="reply"} 0.0005',
    ]);
    assert.deepEqual(await metric('warmroute_abandoned_requests_total'), [
      'warmroute_abandoned_requests_total{during="body"} 1',
      'warmroute_abandoned_requests_total{during="decision"} 2',
    ]);
    assert.isEmpty(logged.lines);
  });

  it('say for how long what is known of pods has been out of date', async () => {
    reportDiscovery(telemetry.instruments, () => ({ file: { file: 2_500, dns: 0 }, kubernetes: 4_000 }));
    assert.deepEqual(await metric('warmroute_discovery_stale_seconds'), [
      'warmroute_discovery_stale_seconds{source="file"} 2.5',
      'warmroute_discovery_stale_seconds{source="dns"} 0',
      'warmroute_discovery_stale_seconds{source="kubernetes"} 4',
    ]);
  });

  describe('of the state, when it is scraped', () => {
    it('are what is so at that moment', async () => {
      const registry = new PodRegistry();
      const pod = aPod();
      registry.replace([{ spec: { ...pod, address: pod.ip }, pods: [pod] }]);
      const load = new Load();
      const cache = aCacheState();
      const grpc = { openStreams: 0, bufferedBytes: 0 };
      const publisher = aPublisher({ rank: 1, sequence: 41, blocks: 7, orphans: 2, held: 3 });
      const publishers = () => [publisher];
      reportState(telemetry.metrics, telemetry.instruments, {
        cache,
        registry,
        load,
        health: { stateOf: () => 'healthy' },
        portsOf: () => [],
        responses: { size: 5 },
        grpc,
        indexCapacityBytes: 1 << 22,
        publishers,
        usesKvEvents: true,
      });

      const chain = chainOf([1, 2]);
      for (const name of ['engine-0', 'engine-1']) {
        const id = cache.holders.ensure(name, { kind: 'gpu', rank: 0 });
        cache.index.store(id, chain, {
          ...{ after: START, engineHashes: engineHashesOf(chain), again: 'copy' },
        });
      }
      cache.history.store('engine-0', chainOf([1, 2, 3]));
      load.begin(pod);
      grpc.openStreams = 5;
      grpc.bufferedBytes = 9;

      const text = await telemetry.scrape();
      const lines = text.split('\n');
      assert.includeMembers(lines, [
        'warmroute_index_blocks 3',
        'warmroute_index_entries{source="events"} 4',
        'warmroute_index_entries{source="history"} 3',
        'warmroute_index_runs 2',
        `warmroute_index_bytes ${cache.index.bytes}`,
        `warmroute_index_capacity_bytes ${1 << 22}`,
        'warmroute_index_evicted_total 0',
        'warmroute_requests_in_flight{pod="engine-0"} 1',
        'warmroute_ready_pods 1',
        'warmroute_remembered_responses 5',
        'warmroute_extproc_streams 5',
        'warmroute_buffered_body_bytes 9',
        'warmroute_publisher_state{pod="engine-0",rank="1",state="live"} 1',
        'warmroute_publisher_blocks{pod="engine-0",rank="1"} 7',
        'warmroute_publisher_waiting_messages{pod="engine-0",rank="1"} 3',
        'warmroute_orphan_blocks{pod="engine-0",rank="1"} 2',
        'aibrix_kvcache_zmq_connection_status{pod_key="engine-0/1"} 1',
        'aibrix_kvcache_zmq_last_sequence_id{pod_key="engine-0/1"} 41',
        'aibrix_prefix_cache_indexer_status{model="_init_",indexer_type="sync"} 1',
      ]);
    });

    it('tell announced blocks from expected ones, also when an engine has ended an expectation', async () => {
      const bench = new FeedBench();
      const { cache } = bench;
      const feed = bench.feed('a');
      const parts = {
        registry: new PodRegistry(),
        load: new Load(),
        health: { stateOf: () => 'unknown' as const },
        portsOf: () => [],
        responses: { size: 0 },
        grpc: { openStreams: 0, bufferedBytes: 0 },
        indexCapacityBytes: 1 << 22,
      };
      reportState(telemetry.metrics, telemetry.instruments, {
        cache,
        ...parts,
        publishers: () => [],
        usesKvEvents: true,
      });
      feed.apply(stored([1, 2, 3]));
      cache.history.store('a', chainOf(tokensOf([1, 2, 3]), 2));
      feed.apply(removed([2, 3]));
      assert.deepEqual(await metric('warmroute_index_entries'), [
        'warmroute_index_entries{source="events"} 1',
        'warmroute_index_entries{source="history"} 1',
      ]);
    });

    it('are one state per publisher, and nothing of publishers that are followed no longer', async () => {
      const parts = {
        registry: new PodRegistry(),
        load: new Load(),
        health: { stateOf: () => 'unknown' as const },
        portsOf: () => [],
        responses: { size: 0 },
        grpc: { openStreams: 0, bufferedBytes: 0 },
        indexCapacityBytes: 1 << 22,
      };
      let publishers: PublisherReport[] = [
        aPublisher({ rank: 0, state: 'connecting' }),
        aPublisher({ rank: 1, state: 'connecting' }),
      ];
      const { metrics, instruments } = telemetry;
      const state = { cache: aCacheState(), ...parts, publishers: () => publishers, usesKvEvents: true };
      reportState(metrics, instruments, state);
      await telemetry.scrape();
      publishers = [aPublisher({ rank: 0, state: 'live' })];
      const text = await telemetry.scrape();
      assert.deepEqual(samplesOf('warmroute_publisher_state', text), [
        'warmroute_publisher_state{pod="engine-0",rank="0",state="live"} 1',
      ]);
      assert.notInclude(text, 'rank="1"');
      assert.notInclude(text, 'engine-0/1');
    });

    it('ask for all publishers once a scrape', async () => {
      const parts = {
        registry: new PodRegistry(),
        load: new Load(),
        health: { stateOf: () => 'unknown' as const },
        portsOf: () => [],
        responses: { size: 0 },
        grpc: { openStreams: 0, bufferedBytes: 0 },
        indexCapacityBytes: 1 << 22,
      };
      let asked = 0;
      const publishers = () => {
        asked++;
        return [aPublisher({})];
      };
      const { metrics, instruments } = telemetry;
      const state = { cache: aCacheState(), ...parts, publishers, usesKvEvents: true };
      reportState(metrics, instruments, state);
      await telemetry.scrape();
      assert.equal(asked, 1);
    });

    it('name the local index where no events are synced', async () => {
      const cache = aCacheState();
      const parts = {
        ...{
          registry: new PodRegistry(),
          load: new Load(),
          health: { stateOf: () => 'unknown' as const },
          portsOf: () => [],
          responses: { size: 0 },
          grpc: { openStreams: 0, bufferedBytes: 0 },
          indexCapacityBytes: 1 << 22,
        },
        publishers: () => [],
      };
      reportState(telemetry.metrics, telemetry.instruments, { cache, ...parts, usesKvEvents: false });
      assert.deepEqual(await metric('aibrix_prefix_cache_indexer_status'), [
        'aibrix_prefix_cache_indexer_status{model="_init_",indexer_type="local"} 1',
      ]);
    });
  });

  describe('of models', () => {
    const model = (name: string) => ({ model: name, using_kv_sync: 'true' });

    it('are no longer there when no pod serves the model, in any metric', async () => {
      const { metrics, instruments } = telemetry;
      const registry = new PodRegistry();
      const pod = aPod({ model: 'base', aliases: ['sql'] });
      registry.replace([{ spec: { ...pod, address: pod.ip }, pods: [pod] }]);
      for (const name of ['base', 'sql', 'old']) {
        instruments.decisions.add(1, { model: name, strategy: 'prefix-cache', reason: 'no_match' });
        instruments.promptBlocks.add(1, { model: name });
        instruments.aibrix.imbalances.add(1, model(name));
        instruments.aibrix.latency.record(0.1, model(name));
      }
      forgetUnservedModels(metrics, registry);
      const text = await telemetry.scrape();
      assert.lengthOf(samplesOf('warmroute_decisions_total', text), 2);
      for (const name of ['base', 'sql']) {
        assert.include(text, `warmroute_prompt_blocks_total{model="${name}"} 1`);
        assert.include(text, `latency_seconds_count{model="${name}",using_kv_sync="true"} 1`);
      }
      assert.notInclude(text, 'model="old"');
    });

    it('of which an entry is left, but no pod, are no longer there either', async () => {
      const { metrics, instruments } = telemetry;
      const registry = new PodRegistry();
      const pod = aPod({ model: 'base' });
      registry.replace([{ spec: { ...pod, address: 'engine.local' }, pods: [] }]);
      instruments.promptBlocks.add(1, { model: 'base' });
      forgetUnservedModels(metrics, registry);
      assert.isEmpty(samplesOf('warmroute_prompt_blocks_total', await telemetry.scrape()));
    });
  });
});
