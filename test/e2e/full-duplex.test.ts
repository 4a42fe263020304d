import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientSessionRequestOptions, connect } from 'node:http2';
import { assert } from 'chai';
import { type Bootstrap, connectionManagerOf, type EnvoyMessage } from '../../demo/envoy.ts';
import { envoyReady, type Fleet, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

/**
 * Envoy 1.40 sends the body of a request with trailers twice where its route has a retry policy and a filter streams the
 * body anew; that there is no second copy is for Envoy to see to.
 */
const withoutRetries = (bootstrap: Bootstrap) => {
  const { route_config } = connectionManagerOf(bootstrap) as {
    route_config: { virtual_hosts: { routes: { route?: EnvoyMessage }[] }[] };
  };
  for (const { route } of route_config.virtual_hosts[0]?.routes ?? []) delete route?.retry_policy;
};

/** Random, so that no two chunks can change places unnoticed. */
function completion(bytes: number): Buffer {
  return Buffer.from(JSON.stringify({ model: 'demo', prompt: randomBytes(bytes / 2).toString('hex') }));
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('Bodies streamed through the router (endpoint-picker.yaml)', function () {
  this.timeout(20_000);
  let pods: TinyPod[];
  let fleet: Fleet;
  let goOn: () => void;

  before(async function () {
    await envoyReady.call(this);
    const answer: Parameters<typeof startTinyPod>[1] = ({ path }, response) => {
      if (path !== '/v1/chat/completions') return void response.end('{"ok":true}');
      response.write('data: {"n":1}\n\n');
      goOn = () => response.end('data: {"n":2}\n\ndata: [DONE]\n\n');
    };
    pods = [await startTinyPod('pod-0', answer), await startTinyPod('pod-1', answer)];
    fleet = await startFleet({ file: 'endpoint-picker.yaml', pods });
  });
  after(async () => {
    await fleet?.stop();
    await Promise.all(pods.map(pod => pod.stop()));
  });
  afterEach(async () => {
    for (const counter of ['spurious_msgs_received', 'streams_failed', 'message_timeouts']) {
      assert.equal(await fleet.filterStat(counter), 0, counter);
    }
  });

  const lastRequest = (address: string | undefined) =>
    pods.find(pod => pod.address === address)?.requests.at(-1);

  for (const [size, bytes] of [
    ['some bytes', 100],
    ['one chunk exactly', 62_000 - 30],
    ['300 KB', 300_000],
    ['5 MB', 5_000_000],
  ] as const) {
    it(`of ${size} arrive as they were sent, at the pick`, async () => {
      const body = completion(bytes);
      const { status, text, decision, servedBy } = await fleet.post('/v1/completions', body);
      assert.deepEqual([status, text], [200, '{"ok":true}']);
      const picked = pods.find(({ pod }) => pod.name === decision?.pod);
      assert.equal(servedBy, picked?.address);
      assert.include(lastRequest(servedBy), { bytes: body.length, sha256: sha256(body) });
    });
  }

  it('come back as they are made, not when they are complete', async () => {
    const body = { model: 'demo', messages: [{ role: 'user', content: 'Count to two.' }] };
    const { status, headers, text } = await fleet.stream('/v1/chat/completions', body);
    assert.equal(status, 200);
    assert.isDefined(headers['x-warmroute-reason']);
    // The first bytes are here, and the pod has not sent the rest.
    goOn();
    assert.equal(await text, 'data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n');
  });

  it('that name no model that is served, or are no JSON, get a pod all the same', async () => {
    for (const body of [
      { model: 'other', prompt: 'x' },
      { model: 'demo' },
      Buffer.from('{"model": "demo", '),
      Buffer.concat([Buffer.from('{"model": '), randomBytes(300_000)]),
    ]) {
      const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
      const { status, servedBy, decision } = await fleet.post('/v1/completions', bytes);
      assert.deepEqual([status, decision?.reason], [200, 'any_pod']);
      assert.equal(servedBy, pods.find(({ pod }) => pod.name === decision?.pod)?.address);
      assert.include(lastRequest(servedBy), { bytes: bytes.length, sha256: sha256(bytes) });
    }
  });

  it('that are refused are answered in OpenAI’s shape', async () => {
    const before = pods.flatMap(({ requests }) => requests).length;
    for (const [path, headers, expected] of [
      ['/v1/completions', { 'routing-strategy': 'odd' }, 400],
      ['/v1/load_lora_adapter', {}, 403],
    ] as const) {
      const answer = await fleet.post(path, { model: 'demo', prompt: 'x' }, headers);
      assert.equal(answer.status, expected, answer.text);
      assert.equal(answer.headers['content-type'], 'application/json');
      const { error } = JSON.parse(answer.text) as { error: Record<string, unknown> };
      assert.include(error, { type: 'invalid_request_error' });
    }
    assert.lengthOf(
      pods.flatMap(({ requests }) => requests),
      before,
    );
  });

  it('of requests without a prompt pass through, to the pick as a GET', async () => {
    const body = randomBytes(300_000);
    const posted = await fleet.post('/v1/files', body, { 'content-type': 'application/octet-stream' });
    assert.deepEqual([posted.status, posted.decision?.reason], [200, 'any_pod']);
    assert.equal(posted.servedBy, pods.find(({ pod }) => pod.name === posted.decision?.pod)?.address);
    assert.include(lastRequest(posted.servedBy), { path: '/v1/files', sha256: sha256(body) });
    const got = await fleet.get('/v1/files');
    assert.deepEqual([got.status, got.text], [200, '{"ok":true}']);
    assert.equal(
      got.headers['x-warmroute-pod'],
      pods.find(({ address }) => address === got.servedBy)?.pod.name,
    );
    assert.include(lastRequest(got.servedBy), { path: '/v1/files', bytes: 0 });
  });

  it('with trailers end where the body ends', async () => {
    await withFleet(startFleet({ file: 'endpoint-picker.yaml', pods, edit: withoutRetries }), async fleet => {
      const session = connect(fleet.envoy.url);
      try {
        for (const bytes of [100, 300_000]) {
          const body = completion(bytes);
          const headers = await postWithTrailers(session, body);
          assert.equal(headers[':status'], 200);
          const served = lastRequest(String(headers['x-target-pod']));
          assert.include(served, { bytes: body.length, sha256: sha256(body) });
          assert.isDefined(served?.headers['target-pod']);
        }
        assert.equal(await fleet.filterStat('spurious_msgs_received'), 0);
      } finally {
        session.close();
      }
    });
  });
});

async function postWithTrailers(
  session: ClientHttp2Session,
  body: Buffer,
): Promise<Readonly<Record<string, unknown>>> {
  const stream = session.request(
    { ':method': 'POST', ':path': '/v1/completions', 'content-type': 'application/json' },
    { waitForTrailers: true } as ClientSessionRequestOptions,
  );
  stream.once('wantTrailers', () => stream.sendTrailers({ 'x-checksum': sha256(body) }));
  const closed = once(stream, 'close');
  stream.end(body);
  const [headers] = await once(stream, 'response');
  stream.resume();
  await closed;
  return headers as Record<string, unknown>;
}
