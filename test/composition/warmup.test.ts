import { writeFile } from 'node:fs/promises';
import { assert } from 'chai';
import { closedAddress } from '../support/envoy-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { FakePublisher } from '../support/fake-publisher.ts';
import { FakeReplay, SHAPES } from '../support/fake-replay.ts';
import { adminPage, MODEL, routed, ServeBench, WITH_EVENTS } from '../support/serve-bench.ts';

/** Longer than any test. */
const LONG_MS = '100000';

describe('a router that has just started', () => {
  let bench: ServeBench;
  let publisher: FakePublisher;
  let replay: FakeReplay;

  beforeEach(async () => {
    bench = await ServeBench.open();
    publisher = await FakePublisher.bind();
    replay = await FakeReplay.bind();
    const [, port] = (await closedAddress()).split(':');
    const kvEvents = { port: publisher.port, replayPort: replay.port };
    const pods = [{ name: 'a', address: '127.0.0.1', port: Number(port), model: MODEL, kvEvents }];
    await writeFile(bench.podsFile, JSON.stringify({ pods }));
  });

  afterEach(async () => {
    await bench.stop();
    await publisher.close();
    await replay.close();
  });

  it('is not ready until it has learned what the engines hold, and says how far it is', async () => {
    const { server, envoy } = await bench.start({ ...WITH_EVENTS, WARMROUTE_WARMUP_MS: LONG_MS });
    const { send } = await replay.asked();
    assert.equal(await envoy.health('readiness'), 'NOT_SERVING');
    const page = await adminPage(server, '/readyz');
    assert.equal(page.status, 503);
    assert.include(page.text, '0 of 1 event streams');
    await send(SHAPES['vLLM 0.32'].end);
    await eventually('it serves', async () => (await envoy.health('readiness')) === 'SERVING');
    assert.equal((await adminPage(server, '/readyz')).status, 200);
  });

  it('serves after WARMROUTE_WARMUP_MS whatever it knows', async () => {
    const { envoy, lines } = await bench.start({ ...WITH_EVENTS, WARMROUTE_WARMUP_MS: '30' });
    await eventually('it serves', async () => (await envoy.health('readiness')) === 'SERVING');
    const { fields } = lines.find(({ message }) => message === 'warm-up is over')!;
    assert.deepInclude(fields, { why: 'timeout', publishers: 1, settled: 0 });
  });

  it('serves at once when WARMROUTE_WARMUP_MS is 0', async () => {
    const { envoy } = await bench.start({ ...WITH_EVENTS, WARMROUTE_WARMUP_MS: '0' });
    assert.equal(await envoy.health('readiness'), 'SERVING');
  });

  it('serves at once where it learns nothing from engines', async () => {
    const { envoy } = await bench.start({ WARMROUTE_WARMUP_MS: LONG_MS });
    assert.equal(await envoy.health('readiness'), 'SERVING');
  });

  it('answers whoever asks it all the same', async () => {
    const { envoy } = await bench.start({ ...WITH_EVENTS, WARMROUTE_WARMUP_MS: LONG_MS });
    assert.equal((await routed(envoy)).reason, 'only_pod');
  });
});
