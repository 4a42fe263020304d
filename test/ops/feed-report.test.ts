import { assert } from 'chai';
import type { AppliedFact } from '../../src/events/batch-outcome.ts';
import type { FeedFact } from '../../src/events/event-feed.ts';
import { type FeedReport, podKey, reportFeed } from '../../src/ops/feed-report.ts';
import { type LogLine, recordingLog } from '../support/builders.ts';
import { samplesOf, type TestTelemetry, testTelemetry } from '../support/telemetry.ts';

const FROM = { pod: 'engine-0', rank: 1 };
const LABELS = 'pod_key="engine-0/1"';

const PROCESSED_IN_HALF_A_SECOND = [
  'aibrix_kvcache_zmq_event_processing_duration_seconds_count 1',
  'aibrix_kvcache_zmq_event_processing_duration_seconds_sum 0.5',
  'warmroute_kv_batch_seconds_count{step="decode"} 1',
  'warmroute_kv_batch_seconds_sum{step="decode"} 0.2',
  'warmroute_kv_batch_seconds_count{step="apply"} 1',
  'warmroute_kv_batch_seconds_sum{step="apply"} 0.3',
];

function applied(given: Partial<AppliedFact>): FeedFact {
  const { event = 'stored', outcome = 'stored', events = 1, blocks = 1, dropped = 0 } = given;
  return { ...FROM, kind: 'applied', event, outcome, events, blocks, dropped };
}

/** A fact, the samples that it leaves, and the levels of its log lines. */
const FACTS: readonly (readonly [FeedFact, readonly string[], ...LogLine['level'][]])[] = [
  [
    applied({ event: 'stored', outcome: 'stored' }),
    [
      `aibrix_kvcache_zmq_events_received_total{${LABELS},event_type="BlockStored"} 1`,
      `aibrix_kvcache_zmq_events_processed_total{${LABELS},event_type="BlockStored"} 1`,
      'warmroute_kv_events_total{pod="engine-0",outcome="stored"} 1',
    ],
  ],
  [
    applied({ event: 'removed', outcome: 'off_gpu', events: 3 }),
    [
      `aibrix_kvcache_zmq_events_received_total{${LABELS},event_type="BlockRemoved"} 3`,
      'warmroute_kv_events_total{pod="engine-0",outcome="off_gpu"} 3',
    ],
  ],
  [
    applied({ event: 'stored', outcome: 'foreign_cache' }),
    [
      `aibrix_kvcache_zmq_events_received_total{${LABELS},event_type="BlockStored"} 1`,
      'warmroute_kv_events_total{pod="engine-0",outcome="foreign_cache"} 1',
    ],
    'warn',
  ],
  [
    applied({ event: 'stored', outcome: 'orphaned', dropped: 4 }),
    [
      `aibrix_kvcache_zmq_events_received_total{${LABELS},event_type="BlockStored"} 1`,
      'warmroute_kv_events_total{pod="engine-0",outcome="orphaned"} 1',
      'warmroute_orphans_dropped_total{pod="engine-0"} 4',
    ],
  ],
  [
    applied({ event: 'cleared', outcome: 'cleared' }),
    [
      `aibrix_kvcache_zmq_events_received_total{${LABELS},event_type="AllBlocksCleared"} 1`,
      `aibrix_kvcache_zmq_events_processed_total{${LABELS},event_type="AllBlocksCleared"} 1`,
      'warmroute_kv_events_total{pod="engine-0",outcome="cleared"} 1',
    ],
  ],
  [
    { ...FROM, kind: 'skipped_event', why: 'bad_hashes' },
    [
      'warmroute_kv_events_total{pod="engine-0",outcome="skipped_event"} 1',
      `aibrix_kvcache_zmq_errors_total{${LABELS},error_type="decode"} 1`,
    ],
    'warn',
  ],
  [
    { ...FROM, kind: 'malformed_message', why: 'not_applied' },
    [
      'warmroute_kv_events_total{pod="engine-0",outcome="malformed_message"} 1',
      `aibrix_kvcache_zmq_errors_total{${LABELS},error_type="handle_event"} 1`,
    ],
    'warn',
  ],
  [
    { ...FROM, kind: 'forgotten', why: 'gap' },
    ['warmroute_holders_forgotten_total{pod="engine-0",why="gap"} 1'],
    'warn',
  ],
  [
    {
      ...FROM,
      kind: 'batch',
      sequence: 7,
      at: 1,
      lagSeconds: -0.1,
      decodeSeconds: 0.2,
      applySeconds: 0.3,
      blocks: 3,
    },
    [...PROCESSED_IN_HALF_A_SECOND, 'warmroute_kv_event_lag_seconds_count 1'],
  ],
  [
    {
      ...FROM,
      kind: 'batch',
      sequence: 7,
      at: 1,
      lagSeconds: undefined,
      decodeSeconds: 0.2,
      applySeconds: 0.3,
      blocks: 3,
    },
    PROCESSED_IN_HALF_A_SECOND,
  ],
  [{ ...FROM, kind: 'state', state: 'live', why: undefined }, [], 'info'],
  [
    { ...FROM, kind: 'gap', missed: 3 },
    [
      'warmroute_kv_messages_missed_total{pod="engine-0"} 3',
      `aibrix_kvcache_zmq_missed_events_total{${LABELS}} 3`,
    ],
  ],
  [
    { ...FROM, kind: 'dropped', why: 'covered', messages: 2 },
    ['warmroute_kv_messages_dropped_total{pod="engine-0",why="covered"} 2'],
  ],
  ...(['ended', 'idle', 'aborted'] as const).map((outcome): [FeedFact, string[]] => [
    { ...FROM, kind: 'replay', why: 'gap', outcome, from: 3, messages: 1, milliseconds: 5 },
    [
      `warmroute_replays_total{pod="engine-0",why="gap",outcome="${outcome}"} 1`,
      `aibrix_kvcache_zmq_replay_requests_total{${LABELS}} 1`,
      ...(outcome === 'ended'
        ? [
            `aibrix_kvcache_zmq_replay_success_total{${LABELS}} 1`,
            'warmroute_replay_seconds_count 1',
            'warmroute_replay_seconds_sum 0.005',
          ]
        : []),
      ...(outcome === 'idle' ? [`aibrix_kvcache_zmq_replay_failures_total{${LABELS}} 1`] : []),
    ],
  ]),
  [{ ...FROM, kind: 'link', event: 'connected' }, [`aibrix_kvcache_zmq_connections_total{${LABELS}} 1`]],
  [{ ...FROM, kind: 'link', event: 'lost' }, [`aibrix_kvcache_zmq_disconnections_total{${LABELS}} 1`]],
  [{ ...FROM, kind: 'circuit', state: 'open' }, [], 'warn'],
];

/** All samples of ours without those that are there, and 0, from the start: metrics without labels. */
function countedIn(exposition: string): string[] {
  return exposition
    .split('\n')
    .filter(line => /^(warmroute|aibrix)_/.test(line) && !/_bucket\{|^\w+ 0$/.test(line));
}

const isOfAPod = (line: string) => /[{,]pod(_key)?="/.test(line);

describe('reports of the event feed', () => {
  let telemetry: TestTelemetry;
  let logged: ReturnType<typeof recordingLog>;
  let report: FeedReport;

  beforeEach(() => {
    telemetry = testTelemetry();
    logged = recordingLog();
    report = reportFeed(telemetry.metrics, telemetry.instruments, logged.log);
    report.joined('engine-0');
  });
  afterEach(() => telemetry.stop());

  for (const [fact, samples, ...levels] of FACTS) {
    it(`${JSON.stringify(fact).slice(25)} leaves ${samples.length} samples and ${levels.length} log lines`, async () => {
      report.hear(fact);
      const found = countedIn(await telemetry.scrape());
      assert.sameMembers(found, [...samples]);
      assert.deepEqual(
        logged.lines.map(({ level }) => level),
        levels,
      );
      for (const { fields } of logged.lines) assert.deepInclude(fields, FROM);
    });
  }

  it('log what is not understood once per publisher and reason, and count it always', async () => {
    for (const rank of [0, 1, 1])
      report.hear({ pod: 'engine-0', rank, kind: 'skipped_event', why: 'unknown_type' });
    assert.lengthOf(logged.lines, 2);
    assert.deepEqual(samplesOf('warmroute_kv_events_total', await telemetry.scrape()), [
      'warmroute_kv_events_total{pod="engine-0",outcome="skipped_event"} 3',
    ]);
  });

  it('limit the lines of an engine that breaks again and again', () => {
    for (let i = 0; i < 1_000; i++) {
      report.hear({ ...FROM, kind: 'malformed_message', why: 'broken' });
      report.hear({ ...FROM, kind: 'forgotten', why: 'gap' });
      report.hear({ ...FROM, kind: 'state', state: 'cold', why: 'damaged' });
      report.hear({ ...FROM, kind: 'circuit', state: 'open' });
    }
    assert.lengthOf(logged.lines, 4);
  });

  for (const [why, said] of [
    ['two_publishers', /^two publishers on one stream/],
    ['foreign_replay', /^the replay is another process’s/],
    ['backing_off', /breaks again and again/],
  ] as const) {
    it(`say what is wrong with a stream that is cold for ${why}, once a minute`, () => {
      for (let i = 0; i < 100; i++) report.hear({ ...FROM, kind: 'state', state: 'cold', why });
      assert.lengthOf(logged.lines, 1);
      const [{ level, message }] = logged.lines as [LogLine];
      assert.equal(level, 'warn');
      assert.match(message, said);
    });
  }

  describe('of a pod that has left', () => {
    const everyFact = () => {
      for (const [fact] of FACTS) report.hear(fact);
    };

    it('are gone, those of others are not', async () => {
      report.joined('engine-1');
      const other = FACTS.map(([fact]) => ({ ...fact, pod: 'engine-1' }));
      for (const fact of other) report.hear(fact);
      const before = countedIn(await telemetry.scrape()).filter(isOfAPod);
      everyFact();
      report.left('engine-0');
      const after = countedIn(await telemetry.scrape()).filter(isOfAPod);
      assert.deepEqual(after, before);
    });

    it('do not come back with facts that are late, nor do log lines', async () => {
      everyFact();
      report.left('engine-0');
      const { length } = logged.lines;
      everyFact();
      assert.isEmpty(countedIn(await telemetry.scrape()).filter(isOfAPod));
      assert.lengthOf(logged.lines, length);
    });

    it('begin at nothing when a pod of its name comes', async () => {
      everyFact();
      report.left('engine-0');
      report.joined('engine-0');
      report.hear({ ...FROM, kind: 'gap', missed: 1 });
      assert.sameMembers(countedIn(await telemetry.scrape()).filter(isOfAPod), [
        'warmroute_kv_messages_missed_total{pod="engine-0"} 1',
        `aibrix_kvcache_zmq_missed_events_total{${LABELS}} 1`,
      ]);
    });

    it('leave nothing behind after twenty rollouts of a hundred pods', async () => {
      const roll = (rollout: number) => {
        const names = Array.from({ length: 100 }, (_, i) => `pod-${rollout}-${i}`);
        for (const pod of names) report.joined(pod);
        for (const pod of names) for (const [fact] of FACTS) report.hear({ ...fact, pod });
        return () => names.forEach(report.left);
      };
      roll(0)();
      const leave = roll(1);
      const first = (await telemetry.scrape()).split('\n').length;
      leave();
      for (let rollout = 2; rollout < 20; rollout++) roll(rollout)();
      roll(20);
      assert.equal((await telemetry.scrape()).split('\n').length, first);
    });
  });

  it('name the ranks of a pod beyond the first', () => {
    assert.deepEqual([podKey('a', 0), podKey('a', 2)], ['a', 'a/2']);
  });
});
