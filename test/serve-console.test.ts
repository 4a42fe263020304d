/** The console through the whole program: what its page is told of pods, event streams and decisions. */
import { assert } from 'chai';
import type { Decisions, Now, StateChange, Welcome } from '../src/ops/console/messages.ts';
import { type EventReader, readEvents } from './support/event-source.ts';
import { adminPage, hears, routed, ServeBench, WITH_EVENTS } from './support/serve-bench.ts';

describe('serve() with its console', function () {
  this.timeout(20_000);
  let bench: ServeBench;
  let reader: EventReader | undefined;

  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(async () => {
    reader?.close();
    await bench.stop();
  });

  /** The first state that is as wanted. */
  async function nowWhen(events: EventReader, isWanted: (now: Now) => boolean): Promise<Now> {
    for (;;) {
      const now = await events.next<Now>('now');
      if (isWanted(now)) return now;
    }
  }

  it('tells what goes on', async () => {
    const engines = await bench.startEngines(2);
    await bench.writePods(engines);
    const served = await bench.start({ ...WITH_EVENTS, WARMROUTE_METRICS_INTERVAL_MS: '50' });
    await hears(served, engines);
    assert.include((await adminPage(served.server, '/')).text, '<title>Warmroute</title>');

    reader = await readEvents(`http://127.0.0.1:${served.server.adminPort}/console/events`);
    const { usesKvEvents, changes } = await reader.next<Welcome>('welcome');
    assert.isTrue(usesKvEvents);
    assert.includeMembers(
      changes.map(({ pod, state }) => `${pod} ${state}`),
      ['engine-0 live', 'engine-1 live'],
    );
    await routed(served.envoy);
    const { decisions } = await reader.next<Decisions>('decisions');
    const [decision] = [...decisions, ...(await reader.next<Decisions>('decisions')).decisions];
    assert.deepInclude(decision, {
      outcome: 'routed',
      reason: 'no_match',
      model: 'sim-model',
      matchedBlocks: 0,
    });

    const { pods, publishers } = await nowWhen(
      reader,
      now => now.pods.some(({ picks }) => picks === 1) && now.pods.every(({ engine }) => engine !== null),
    );
    assert.deepEqual(
      pods.map(({ pod, health, isReady }) => [pod, health, isReady]),
      [
        ['engine-0', 'healthy', true],
        ['engine-1', 'healthy', true],
      ],
    );
    assert.deepEqual(
      publishers.map(({ pod, state }) => [pod, state]),
      [
        ['engine-0', 'live'],
        ['engine-1', 'live'],
      ],
    );

    await engines[1]!.stop();
    const lost = await reader.next<StateChange>('change');
    assert.deepInclude(lost, { pod: 'engine-1', state: 'connecting' });
  });
});
