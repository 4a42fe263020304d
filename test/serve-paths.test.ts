import { assert } from 'chai';
import { toldReply } from './extproc/told.ts';
import { requestBody, requestHeaders } from './support/envoy-messages.ts';
import { routedTo, ServeBench } from './support/serve-bench.ts';

describe('serve() and paths', () => {
  let bench: ServeBench;

  beforeEach(async () => {
    bench = await ServeBench.open();
    await bench.writePods(await bench.startEngines(2));
  });
  afterEach(() => bench.stop());

  it('refuses to clients what WARMROUTE_ALLOWED_PATHS does not allow', async () => {
    const { envoy } = await bench.start();
    for (const path of ['/v1/load_lora_adapter', '/v1/messages/render']) {
      const stream = envoy.open().send(requestHeaders({ headers: { ':path': path } }));
      assert.equal(String((await stream.reply()).immediate_response?.status?.code), 'Forbidden', path);
    }
  });

  it('allows them with WARMROUTE_ALLOWED_PATHS=engine_internal', async () => {
    const { envoy } = await bench.start({ WARMROUTE_ALLOWED_PATHS: 'engine_internal' });
    const rendered = await routedTo(envoy, '/v1/messages/render', { messages: [] });
    assert.equal(rendered.reason, 'no_prompt');
    assert.isDefined(rendered.target);
    const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/load_lora_adapter' } }));
    const { request_headers, mode_override } = await stream.reply();
    assert.isDefined(request_headers);
    assert.equal(mode_override?.request_body_mode, 'NONE');
  });

  it('gives a request that names no model the one there is', async () => {
    const { envoy } = await bench.start();
    const { target, reason } = await routedTo(envoy, '/v1/rerank', {
      model: undefined,
      query: 'q',
      documents: ['d'],
    });
    assert.isDefined(target);
    assert.equal(reason, 'no_prompt');
  });

  it('answers an endpoint picker’s gateway 503 where there is no pod at all', async () => {
    await bench.writePods([]);
    const { envoy } = await bench.start();
    const config = { request_body_mode: 'FULL_DUPLEX_STREAMED' } as const;
    const get = { headers: { ':method': 'GET', ':path': '/v1/files' }, endOfStream: true, config };
    const post = { headers: { ':path': '/v1/files' }, config };
    for (const headers of [get, post]) {
      const { immediate_response } = await envoy.open().send(requestHeaders(headers)).reply();
      assert.equal(String(immediate_response?.status?.code), 'ServiceUnavailable');
      assert.include(String(immediate_response?.body), 'no pod is known');
    }
  });

  it('does to a proxy that does not say how bodies come as WARMROUTE_UNSAID_BODY_MODE says', async () => {
    const body = { model: 'sim-model', prompt: 'x' };
    const buffered = await bench.start();
    assert.isDefined((await routedTo(buffered.envoy, '/v1/completions', body)).target);
    const { envoy } = await bench.start({ WARMROUTE_UNSAID_BODY_MODE: 'FULL_DUPLEX_STREAMED' });
    const stream = envoy.open().send(requestHeaders({ headers: { ':path': '/v1/completions' } }));
    stream.send(requestBody(JSON.stringify(body), 'end'));
    assert.include(toldReply(await stream.reply()), 'request_headers pick');
    assert.equal(toldReply(await stream.reply()), `request_body ${JSON.stringify(JSON.stringify(body))} end`);
    const get = requestHeaders({ headers: { ':method': 'GET', ':path': '/v1/files' }, endOfStream: true });
    assert.include(toldReply(await envoy.open().send(get).reply()), 'request_headers pick');
  });
});
