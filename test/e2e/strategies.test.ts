import { assert } from 'chai';
import { eventually } from '../support/eventually.ts';
import { type EngineFleet, envoyReady, MODEL, startEngineFleet, withFleet } from '../support/fleet.ts';

const PREFIX = 'The quick brown fox jumps over the lazy dog and runs into the deep forest. '.repeat(8);
/** The first token comes at once, and the next ones not within a test. */
const SLOW_ANSWERS = {
  cacheBlocks: 256,
  cost: { prefillTokensPerSecond: Number.POSITIVE_INFINITY, decodeTokensPerSecond: 0.1, overheadMs: 0 },
};
const idOf = (address: string) => Buffer.from(address).toString('base64');

describe('AIBrix’s strategies, through a real Envoy', function () {
  this.timeout(40_000);
  before(envoyReady);

  const ask = (
    fleet: EngineFleet,
    strategy: string,
    headers: Readonly<Record<string, string>> = {},
    prompt = PREFIX,
  ) =>
    fleet.post(
      '/v1/completions',
      { model: MODEL, prompt, max_tokens: 1 },
      { 'routing-strategy': strategy, ...headers },
    );

  for (const file of ['warmroute.yaml', 'aibrix.yaml', 'endpoint-picker.yaml'] as const) {
    it(`session-affinity stays where it was, and goes nowhere that a client makes up (${file})`, async () => {
      await withFleet(startEngineFleet({ file }), async fleet => {
        const addresses = fleet.engines.map(({ url }) => url.replace('http://', ''));
        const servedLast = () => fleet.envoy.accessLog().at(-1)?.upstream;
        const first = await ask(fleet, 'session-affinity');
        assert.equal(first.status, 200, first.text);
        const session = String(first.headers['x-session-id']);
        const address = Buffer.from(session, 'base64').toString();
        assert.include(addresses, address);
        for (let turn = 0; turn < 4; turn++) {
          const next = await ask(fleet, 'session-affinity', { 'x-session-id': session });
          assert.equal(next.headers['x-session-id'], session);
          assert.equal(next.decision?.reason, 'session_id');
        }
        const engine = fleet.engineAt(address);
        assert.lengthOf(engine.requests, 5);

        // What listens there would answer, if somebody dialled it.
        for (const forged of [`127.0.0.1:${fleet.program.adminPort}`, `${address},10.0.0.1:1`]) {
          const told = await ask(fleet, 'session-affinity', { 'x-session-id': idOf(forged) });
          assert.equal(told.status, 200, told.text);
          assert.equal(told.decision?.reason, 'no_session');
          assert.include(addresses, Buffer.from(String(told.headers['x-session-id']), 'base64').toString());
          if (file === 'warmroute.yaml')
            assert.include(addresses, await eventually('it is logged', () => servedLast() as string));
        }
      });
    });
  }

  it('a weighted list weighs the warm pod against the idle one, and is echoed', async () => {
    await withFleet(startEngineFleet({ engineOptions: SLOW_ANSWERS }), async fleet => {
      const warm = await ask(fleet, 'prefix-cache');
      await fleet.indexed();
      for (const list of ['prefix-cache:2,least-request:1', 'least-request, prefix-cache']) {
        const told = await ask(fleet, list);
        assert.equal(told.headers['routing-strategy'], list);
        assert.deepInclude(told.decision, { pod: warm.decision!.pod, reason: 'weighted' });
      }
      // Busy, it is worth less than an idle pod where load weighs more.
      const busy = await fleet.stream(
        '/v1/completions',
        { model: MODEL, prompt: PREFIX, max_tokens: 50, ignore_eos: true, stream: true },
        { 'routing-strategy': 'prefix-cache' },
      );
      const told = await ask(fleet, 'prefix-cache:1,least-request:5');
      assert.notEqual(told.decision?.pod, warm.decision!.pod);
      busy.abort();
      const refused = await ask(fleet, 'prefix-cache,pd');
      assert.equal(refused.status, 400);
      assert.include(refused.text, 'use prefix-cache');
    });
  });

  it('least-kv-cache goes to the engine whose KV cache is least in use', async () => {
    const environment = { WARMROUTE_METRICS_INTERVAL_MS: '20', ROUTING_ALGORITHM: 'least-kv-cache' };
    await withFleet(startEngineFleet({ environment, engineOptions: SLOW_ANSWERS }), async fleet => {
      const leaving = new AbortController();
      // Generations that hold their blocks, and that this router did not send: only the engines know of them. Each holds more than a turn
      // does while it is computed, which the engines' metrics may show as well.
      const held = [0, 2].map(i =>
        fetch(`${fleet.engines[i]!.url}/v1/completions`, {
          method: 'POST',
          signal: leaving.signal,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: MODEL, prompt: PREFIX.repeat(3), max_tokens: 50, ignore_eos: true }),
        }).catch(() => {}),
      );
      await eventually('two engines hold blocks', () =>
        [0, 2].every(i => fleet.engines[i]!.cache.usedBlocks > 0),
      );
      await eventually('the router has heard of it', async () => {
        const text = await fetch(`http://127.0.0.1:${fleet.program.adminPort}/debug/pods`).then(page =>
          page.json(),
        );
        const { pods } = text as { pods: { engine: { kvUsage?: number } }[] };
        const usages = pods.map(({ engine }) => engine.kvUsage);
        return usages.every(usage => usage !== undefined) && usages.filter(usage => usage > 0).length === 2;
      });
      for (let turn = 0; turn < 5; turn++) {
        const { status, decision } = await ask(fleet, '', {}, `${PREFIX} ${turn}`);
        assert.equal(status, 200);
        assert.deepInclude(decision, { pod: 'engine-1', reason: 'least-kv-cache' });
      }
      leaving.abort();
      await Promise.all(held);
    });
  });
});
