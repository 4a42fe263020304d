import { assert } from 'chai';
import type { Bootstrap } from '../../demo/envoy.ts';
import type { Environment } from '../../src/config.ts';
import { setHosts } from '../support/envoy.ts';
import { envoyReady, type Fleet, startFleet, withFleet } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const GATEWAY = new URL('../envoy/aibrix-gateway.yaml', import.meta.url);
const ask = (model: string) => ({ model, prompt: 'Who are you?' });
/** Where a client would like its request to go. */
const FORGED = '127.0.0.1:9';

describe('In the place of AIBrix’s plugin, with AIBrix’s own routes', function () {
  this.timeout(30_000);
  let demo: TinyPod[];
  let sql: TinyPod;
  let metadata: TinyPod;
  let engines: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    demo = [await startTinyPod('demo-0'), await startTinyPod('demo-1')];
    sql = await startTinyPod('sql-0');
    metadata = await startTinyPod('metadata', (_, response) => void response.end('metadata'));
    engines = [...demo, sql];
  });
  after(() => Promise.all([...engines, metadata].map(pod => pod.stop())));

  async function withGateway(environment: Environment, use: (fleet: Fleet) => Promise<void>): Promise<void> {
    const nobody = `127.0.0.1:${await freePort()}`;
    const edit = (bootstrap: Bootstrap) => {
      setHosts(bootstrap, 'aibrix_gateway_plugins', [nobody]);
      setHosts(bootstrap, 'aibrix_metadata_service', [metadata.address]);
      setHosts(
        bootstrap,
        'demo',
        demo.map(({ address }) => address),
      );
      setHosts(bootstrap, 'sql', [sql.address]);
    };
    const pods = engines.map(({ pod, address }) => ({
      pod: { ...pod, model: pod.name.split('-')[0]! },
      address,
    }));
    await withFleet(startFleet({ file: GATEWAY, pods, environment, edit }), use);
  }

  /** Who got the request, and what of its headers. */
  async function served(asking: () => ReturnType<Fleet['get']>) {
    const all = [...engines, metadata];
    const before = all.map(({ requests }) => requests.length);
    const { status, text } = await asking();
    const reached = all.filter(({ requests }, i) => requests.length > before[i]!);
    const { headers = {} } = reached[0]?.requests.at(-1) ?? {};
    const { model, 'target-pod': target, 'routing-strategy': strategy } = headers;
    return { status, text, by: reached.map(({ pod }) => pod.name), model, target, strategy };
  }

  it('whoever asks for a strategy gets a pod by it, on paths with a reserved route and on others', async () => {
    await withGateway({}, async fleet => {
      for (const path of ['/v1/completions', '/v1/embeddings', '/v1/messages', '/v1/audio/speech']) {
        for (const strategy of ['random', 'prefix-cache']) {
          const headers = { 'routing-strategy': strategy, 'target-pod': FORGED };
          const body = {
            ...ask('sql'),
            input: 'x',
            messages: [{ role: 'user', content: 'x' }],
            max_tokens: 1,
          };
          const answer = await served(() => fleet.post(path, body, headers));
          assert.include(answer, { status: 200, target: sql.address, strategy }, path);
          assert.deepEqual(answer.by, ['sql-0']);
        }
      }
      assert.include(await served(() => fleet.post('/v1/completions', ask('sql'))), {
        ...{ status: 200, target: sql.address, strategy: 'prefix-cache' },
      });
    });
  });

  for (const strategy of ['random', 'prefix-cache', '', 'no-such-strategy']) {
    it(`with routing-strategy “${strategy}” what is not routed goes where it goes without, and to no engine`, async () => {
      await withGateway({}, async fleet => {
        const headers = { 'routing-strategy': strategy, 'target-pod': sql.address };
        for (const asking of [
          () => fleet.post('/v1/files', Buffer.alloc(100_000, 'x'), headers),
          () => fleet.get('/v1/batches', headers),
          () => fleet.get('/v1/files/file-1/content', headers),
        ]) {
          const { by, status, target, strategy: told } = await served(asking);
          assert.deepEqual([by, status, target, told], [['metadata'], 200, undefined, undefined]);
        }
        for (const asking of [
          () => fleet.post('/sleep', {}, headers),
          () => fleet.get('/metrics', headers),
          () => fleet.post('/v1/no-such-endpoint', ask('sql'), headers),
          () => fleet.get('/', headers),
        ]) {
          const { by, status } = await served(asking);
          assert.deepEqual([by, status], [[], 404]);
        }
        const refused = await served(() => fleet.post('/v1/load_lora_adapter', {}, headers));
        assert.deepEqual([refused.by, refused.status], [[], 403]);
        assert.equal((await fleet.get('/v1/models', headers)).status, 200);
      });
    });
  }

  it('WARMROUTE_UNSET_STRATEGY=pass leaves who asks for none to the routes per model', async () => {
    await withGateway({ WARMROUTE_UNSET_STRATEGY: 'pass' }, async fleet => {
      for (const headers of [
        {},
        { 'target-pod': FORGED },
        { 'target-pod': sql.address, 'routing-strategy': '' },
        { 'target-pod': sql.address, 'routing-strategy': ' ', model: 'sql' },
      ]) {
        const names = new Set<string>();
        for (let i = 0; i < 4; i++) {
          const answer = await served(() => fleet.post('/v1/completions', ask('demo'), headers));
          assert.include(answer, { status: 200, model: 'demo', target: undefined, strategy: undefined });
          names.add(String(answer.by));
        }
        // A Service's own turns.
        assert.sameMembers([...names], ['demo-0', 'demo-1']);
      }
      const { by, model } = await served(() => fleet.post('/v1/completions', ask('sql')));
      assert.deepEqual([by, model], [['sql-0'], 'sql']);
      const asked = await served(() =>
        fleet.post('/v1/completions', ask('sql'), { 'routing-strategy': 'random' }),
      );
      assert.include(asked, { status: 200, target: sql.address, strategy: 'random', model: undefined });
      assert.equal((await fleet.post('/v1/completions', ask('other'))).status, 404);
      const metrics = await fleet.program.metrics();
      assert.equal(metrics('warmroute_passed_total', { model: 'demo' }), 16);
      assert.equal(metrics('warmroute_decisions_total'), 1);
      assert.equal(await fleet.inFlight(), 0);
    });
  });

  it('is without effect where ROUTING_ALGORITHM says what to do', async () => {
    const environment = { WARMROUTE_UNSET_STRATEGY: 'pass', ROUTING_ALGORITHM: 'least-request' };
    await withGateway(environment, async fleet => {
      const { target, strategy } = await served(() => fleet.post('/v1/completions', ask('sql')));
      assert.deepEqual([target, strategy], [sql.address, 'least-request']);
    });
  });
});
