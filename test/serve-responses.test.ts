import { assert } from 'chai';
import { type SimulatedEngine, startEngine } from '../src/simulator/engine.ts';
import {
  headersSet,
  requestBody,
  requestHeaders,
  responseBody,
  responseHeaders,
} from './support/envoy-messages.ts';
import { eventually } from './support/eventually.ts';
import type { FakeEnvoy } from './support/fake-envoy.ts';
import { addressOf, adminPage, decisionOn, MODEL, ServeBench } from './support/serve-bench.ts';

const PATH = '/v1/responses';
const INPUT = { input: 'where is the atlas?' };

/** A response with this id, as Envoy shows it. Returns who was picked, and whether Envoy was asked for the body. */
async function make(envoy: FakeEnvoy, id: string, body: object = {}) {
  const stream = envoy.open().send(requestHeaders({ headers: { ':path': PATH } }));
  await stream.reply();
  stream.send(requestBody(JSON.stringify({ model: MODEL, ...INPUT, ...body }), 'end'));
  const set = (await stream.reply()).request_body?.response?.header_mutation;
  const { mode_override } = await stream.send(responseHeaders()).reply();
  const isAsked = mode_override?.response_body_mode === 'STREAMED';
  if (isAsked) await stream.send(responseBody(JSON.stringify({ id }), 'end')).reply();
  await stream.halfClose();
  const target = headersSet(set).get('target-pod');
  return { target, isAsked };
}

/** Of a request that is decided by its headers. */
async function shown(envoy: FakeEnvoy, id: string) {
  const headers = { ':method': 'GET', ':path': `${PATH}/${id}` };
  const stream = envoy.open().send(requestHeaders({ headers, endOfStream: true }));
  const { request_headers } = await stream.reply();
  await stream.halfClose();
  return headersSet(request_headers?.response?.header_mutation).get('target-pod');
}

describe('serve() and responses that engines keep', function () {
  // Engines, a server or two, and some dozens of streams: what takes a second alone takes more beside others.
  this.timeout(30_000);
  let bench: ServeBench;
  let engines: SimulatedEngine[];

  beforeEach(async () => {
    bench = await ServeBench.open();
    engines = await bench.startEngines(3);
    await bench.writePods(engines);
  });
  afterEach(() => bench.stop());

  it('sends who names one to the pod that made it, until that leaves', async () => {
    const { envoy, server } = await bench.start();
    const { target } = await make(envoy, 'r1');
    for (let i = 0; i < 6; i++) {
      assert.equal(await shown(envoy, 'r1'), target);
      const next = await decisionOn(envoy, PATH, { ...INPUT, previous_response_id: 'r1' });
      assert.deepInclude(next, { target, reason: 'response_owner' });
    }
    const { text } = await adminPage(server, '/metrics');
    assert.include(text, '\nwarmroute_remembered_responses 1\n');
    assert.match(text, /warmroute_decisions_total\{[^}]*reason="response_owner"\} 12/);

    await bench.writePods(engines.filter(engine => addressOf(engine) !== target));
    await eventually('the pod has left', async () => (await shown(envoy, 'r1')) !== target);
    const next = await decisionOn(envoy, PATH, { ...INPUT, previous_response_id: 'r1' });
    assert.notEqual(next.target, target);
    assert.notEqual(next.reason, 'response_owner');
  });

  it('does not ask for answers that nobody can name', async () => {
    const { envoy } = await bench.start();
    assert.isFalse((await make(envoy, 'r1', { store: false })).isAsked);
    assert.isTrue((await make(envoy, 'r1', { store: null })).isAsked);
  });

  it('remembers as many as WARMROUTE_REMEMBERED_RESPONSES says, and looks at no answer with 0', async () => {
    const two = await bench.start({ WARMROUTE_REMEMBERED_RESPONSES: '2' });
    for (const id of ['r1', 'r2', 'r3']) await make(two.envoy, id);
    const { text } = await adminPage(two.server, '/metrics');
    assert.include(text, '\nwarmroute_remembered_responses 2\n');

    const none = await bench.start({ WARMROUTE_REMEMBERED_RESPONSES: '0' });
    for (let i = 0; i < 3; i++) assert.isFalse((await make(none.envoy, 'r1')).isAsked);
    assert.isUndefined(await shown(none.envoy, 'r1'), 'passed on');
  });

  it('finds out that an engine keeps none, and looks at no more answers of its', async () => {
    await bench.writePods(engines.slice(0, 1));
    const { envoy, lines } = await bench.start();
    for (let i = 0; i < 16; i++) assert.isTrue((await make(envoy, `r${i}`, { stream: true })).isAsked);
    await eventually('the engine was asked', async () => !(await make(envoy, 'more')).isAsked);
    const said = lines.filter(({ message }) => message.startsWith('the engine keeps no responses'));
    assert.deepEqual(
      said.map(({ level, fields }) => [level, fields.pod]),
      [['info', engines[0]!.name]],
    );
    assert.isEmpty(engines[0]!.requests, 'nothing was generated for it');
  });

  it('goes on to look at the answers of one that does', async () => {
    const keeper = await startEngine({ name: 'keeper', model: MODEL, responses: 'kept' });
    bench.atEnd(() => keeper.stop());
    await bench.writePods([keeper]);
    const { envoy } = await bench.start();
    for (let i = 0; i < 40; i++) assert.isTrue((await make(envoy, `r${i}`, { stream: true })).isAsked);
    assert.isEmpty(keeper.requests);
  });

  it('answers the list of models, and counts that', async () => {
    const { envoy, server } = await bench.start();
    const get = { headers: { ':method': 'GET', ':path': '/v1/models' }, endOfStream: true };
    const { immediate_response } = await envoy.open().send(requestHeaders(get)).reply();
    const { data } = JSON.parse(String(immediate_response?.body));
    assert.deepEqual(
      data.map(({ id }: { id: string }) => id),
      [MODEL],
    );
    assert.include(
      (await adminPage(server, '/metrics')).text,
      '\nwarmroute_answers_total{what="models"} 1\n',
    );
  });
});
