import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import { assert } from 'chai';
import type { DecisionRecord } from '../../../src/explain/record.ts';
import { type Admin, startAdmin } from '../../../src/ops/admin/admin.ts';
import { consoleRoutes } from '../../../src/ops/console/console.ts';
import { Live } from '../../../src/ops/console/live.ts';
import type { Decisions, Now, Sample, StateChange, Welcome } from '../../../src/ops/console/messages.ts';
import { Samples } from '../../../src/ops/console/samples.ts';
import { StateHistory } from '../../../src/ops/console/state-history.ts';
import { type EventReader, readEvents } from '../../support/event-source.ts';
import { eventually } from '../../support/eventually.ts';
import { HandClock } from '../../support/hand-clock.ts';

/** What nobody watches sleeps for. */
const SAMPLE_MS = 5_000;
const TELL_MS = 1_000;

describe('Live', () => {
  let clock: HandClock;
  let admin: Admin;
  let live: Live;
  let changes: StateHistory;
  let records: DecisionRecord[];
  let asked: number;
  let errors: unknown[];
  let readers: EventReader[];
  let pods: Now['pods'];
  let fault: Error | undefined;

  beforeEach(async () => {
    clock = new HandClock(1_700_000_000_000);
    changes = new StateHistory(clock.now);
    [records, asked, errors, readers, pods, fault] = [[], 0, [], [], [], undefined];
    live = new Live({
      ...{ version: '1.2.3', usesKvEvents: true, changes, clock: clock.now, sleep: clock.sleep },
      decisions: {
        get recorded() {
          return records.length;
        },
        recent: (_, limit) => records.slice(-limit).reverse(),
      },
      samples: new Samples({
        read: () => ({
          ...{ decisions: records.length, promptBlocks: 0, matchedBlocks: 0 },
          ...{ decisionSeconds: [], firstByteSeconds: [], inFlight: [] },
        }),
        ...{ now: clock.now, everySeconds: 5, length: 360 },
      }),
      now() {
        asked++;
        if (fault !== undefined) throw fault;
        return {
          ...{ at: clock.now(), ready: true, why: 'ok', indexBlocks: 0, pods, podsLeftOut: 0 },
          ...{ publishers: [], publishersLeftOut: 0 },
        };
      },
      onUnexpected: error => errors.push(error),
    });
    admin = await startAdmin({
      ...{ host: '127.0.0.1', port: 0, operators: 'loopback', hosts: [], routes: consoleRoutes(live) },
    });
  });

  afterEach(async () => {
    await admin.stop();
    live.stop();
    for (const reader of readers) reader.close();
    assert.deepEqual(errors, []);
    await eventually('nothing sleeps', () => clock.sleeping === 0);
  });

  async function watch(): Promise<EventReader> {
    const reader = await readEvents(`http://127.0.0.1:${admin.port}/console/events`);
    readers.push(reader);
    return reader;
  }

  function decide(count: number): void {
    for (let i = 0; i < count; i++) {
      const id = `request-${records.length}`;
      records.push({
        ...{ id, at: new Date(clock.now()).toISOString(), path: '/v1/completions', model: 'demo' },
        ...{ outcome: 'routed', reason: 'no_match', pod: 'engine-0', matchedBlocks: 0, totalBlocks: 4 },
        ...{ candidates: [], candidatesLeftOut: 0, policy: ['a step'], stages: [], tookMicroseconds: 150 },
        prompt: 'a secret',
      });
    }
  }

  it('does nothing but sample while nobody watches', async () => {
    assert.equal(await clock.sleeps.next(), SAMPLE_MS);
    decide(3);
    changes.hear({ pod: 'a', rank: 0, kind: 'state', state: 'live', why: undefined });
    clock.advance(SAMPLE_MS);
    assert.equal(await clock.sleeps.next(), SAMPLE_MS);
    assert.deepEqual([clock.sleeping, asked], [1, 0]);
  });

  it('welcomes who comes with what was before', async () => {
    decide(60);
    changes.hear({ pod: 'a', rank: 0, kind: 'state', state: 'cold', why: 'hole' });
    await clock.passNext();
    const reader = await watch();
    assert.equal(reader.response.headers['content-type'], 'text/event-stream; charset=utf-8');
    const welcome = await reader.next<Welcome>('welcome');
    assert.deepInclude(welcome, { version: '1.2.3', startedAt: 1_700_000_000_000 });
    assert.deepEqual(welcome.history.series.decisionsPerSecond, [12]);
    assert.deepEqual(
      welcome.changes.map(({ pod, state, why }) => [pod, state, why]),
      [['a', 'cold', 'hole']],
    );
    const { decisions, leftOut } = await reader.next<Decisions>('decisions');
    assert.deepEqual(
      [decisions.length, decisions[0]?.id, decisions.at(-1)?.id, leftOut],
      [50, 'request-10', 'request-59', 0],
    );
    assert.equal((await reader.next<Now>('now')).why, 'ok');
  });

  it('tells each second what is new, the last twenty decisions, and how many more there were', async () => {
    const reader = await watch();
    await reader.next('now');
    assert.deepEqual([await clock.sleeps.next(), await clock.sleeps.next()], [SAMPLE_MS, TELL_MS]);
    decide(70);
    changes.hear({ pod: 'a', rank: 2, kind: 'state', state: 'live', why: undefined });
    clock.advance(TELL_MS);
    const change = await reader.next<StateChange>('change');
    assert.deepEqual(change, { pod: 'a', rank: 2, at: 1_700_000_000_000, state: 'live', why: null });
    assert.equal((await reader.next<Now>('now')).at, 1_700_000_001_000);
    const { decisions, leftOut } = await reader.next<Decisions>('decisions');
    assert.deepEqual([decisions.length, decisions.at(-1)?.id, leftOut], [20, 'request-69', 50]);
    assert.notInclude(JSON.stringify(decisions), 'secret');
  });

  it('tells the samples as they are taken', async () => {
    const reader = await watch();
    await reader.next('now');
    decide(10);
    clock.advance(SAMPLE_MS);
    const { at, values } = await reader.next<Sample>('sample');
    assert.deepEqual([at, values.decisionsPerSecond], [1_700_000_005, 2]);
  });

  it('has eight viewers at most, and says so to further ones', async () => {
    const watching = await Promise.all(Array.from({ length: 8 }, watch));
    for (const reader of watching) await reader.next('now');
    const ninth = await watch();
    assert.deepEqual(await ninth.next('full'), { maxViewers: 8 });
    await ninth.ended;
    watching[0]?.close();
    await eventually('there is room', async () => {
      const another = await watch();
      const first = await Promise.race([
        another.next('welcome'),
        another.next('full').then(() => false),
      ]).catch(() => false);
      return first !== false;
    });
  });

  it('stops telling when the last viewer has gone', async () => {
    const [one, other] = [await watch(), await watch()];
    await one.next('now');
    await other.next('now');
    assert.equal(clock.sleeping, 2);
    one.close();
    other.close();
    await eventually('nobody is told', () => clock.sleeping === 1);
    const third = await watch();
    await third.next('now');
    assert.equal(clock.sleeping, 2);
  });

  it('drops who does not read, and nobody else', async () => {
    const reader = await watch();
    await reader.next('now');
    const deaf = connect(admin.port, '127.0.0.1');
    deaf.write('GET /console/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    deaf.pause();
    const closed = once(deaf, 'close');
    deaf.on('error', () => {});
    await eventually('the other one watches', () => clock.sleeping === 2 && asked === 2);
    pods = Array.from({ length: 200 }, (_, i) => ({
      ...{ pod: `pod-${i}`, endpoint: '10.0.0.1:8000', model: 'm'.repeat(1_000), zone: null, isReady: true },
      ...{ health: 'healthy', why: '', forMs: 0, inFlight: 0, picks: 0, engine: null, events: null },
    }));
    for (let i = 0; i < 80; i++) {
      clock.advance(TELL_MS);
      await reader.next('now');
    }
    deaf.resume();
    await closed;
    clock.advance(TELL_MS);
    await reader.next('now');
  });

  it('takes no place for who has gone already', () => {
    const gone = new ServerResponse(new IncomingMessage(new Socket()));
    gone.destroy();
    live.watch(gone);
    assert.deepEqual([clock.sleeping, asked], [1, 0]);
  });

  it('answers HEAD without watching', async () => {
    const response = await fetch(`http://127.0.0.1:${admin.port}/console/events`, { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(asked, 0);
  });

  it('goes on when something in it fails', async () => {
    const reader = await watch();
    await reader.next('now');
    fault = new Error('a fault of ours');
    clock.advance(TELL_MS);
    await eventually('it is reported', () => errors.length > 0);
    assert.deepEqual(errors.splice(0), [fault]);
    fault = undefined;
    await eventually('it goes on', () => clock.sleeping === 2);
    clock.advance(TELL_MS);
    await reader.next('now');
  });
});
