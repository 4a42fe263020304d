import { assert } from 'chai';
import type { Bootstrap } from '../../demo/envoy.ts';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const MIB = 1024 * 1024;
const promptOf = (bytes: number) => ({ model: 'demo', prompt: 'lorem ipsum dolor '.repeat(bytes / 18) });

describe('Large bodies', function () {
  this.timeout(20_000);
  let pods: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));
  const received = () => pods.reduce((sum, { requests }) => sum + requests.length, 0);

  it('above the router’s limit are answered 413 in OpenAI’s shape, whether their length is announced or not', async () => {
    const environment = { WARMROUTE_MAX_BODY_BYTES: '100000' };
    await withFleet(startFleet({ pods, environment }), async fleet => {
      const before = received();
      for (const path of ['/v1/completions', '/v1/embeddings']) {
        const { status, headers, text } = await fleet.post(path, promptOf(200_000));
        assert.equal(status, 413);
        assert.equal(headers['content-type'], 'application/json');
        assert.deepEqual(JSON.parse(text), {
          error: {
            message: 'the request body is larger than 100000 bytes',
            type: 'invalid_request_error',
            param: null,
            code: null,
          },
        });
      }
      const chunked = await fetch(`${fleet.envoy.url}/v1/completions`, {
        method: 'POST',
        body: new Blob([JSON.stringify(promptOf(200_000))]).stream(),
        duplex: 'half',
      } as RequestInit);
      assert.equal(chunked.status, 413);
      assert.include(await chunked.text(), 'the request body is larger than 100000 bytes');

      const { details } = await fleet.envoy.accessLogged(({ status }) => status === 413);
      assert.equal(details, 'warmroute_body_too_large');
      assert.equal(received(), before);
      assert.equal(await fleet.inFlight(), 0);
      assert.equal((await fleet.post('/v1/completions', promptOf(90_000))).status, 200);
    });
  });

  it('above Envoy’s limit are answered 413 by Envoy, in the same shape', async () => {
    const environment = { WARMROUTE_MAX_BODY_BYTES: String(64 * MIB) };
    await withFleet(startFleet({ pods, environment }), async fleet => {
      const before = received();
      const { status, headers, text } = await fleet.post('/v1/completions', promptOf(34 * MIB));
      assert.equal(status, 413);
      assert.equal(headers['content-type'], 'application/json');
      assert.deepInclude(JSON.parse(text).error, { type: 'invalid_request_error', param: null, code: null });
      const { details } = await fleet.envoy.accessLogged(entry => entry.status === 413);
      assert.equal(details, 'request_payload_too_large');
      assert.equal(received(), before);
    });
  });

  for (const file of ['warmroute.yaml', 'original-dst.yaml'] as const) {
    it(`above Envoy’s limit are answered by it in the shape of the API (${file})`, async () => {
      const edit = ({ static_resources }: Bootstrap) => {
        for (const listener of static_resources.listeners) {
          if (listener.name === 'ingress') listener.per_connection_buffer_limit_bytes = 100_000;
        }
      };
      await withFleet(startFleet({ pods, file, edit }), async fleet => {
        const before = received();
        const message = 'the request body is too large';
        const openai = { error: { message, type: 'invalid_request_error', param: null, code: null } };
        const anthropic = { type: 'error', error: { message, type: 'request_too_large' } };
        for (const [path, error] of [
          ['/v1/completions', openai],
          ['/v1/messages', anthropic],
          ['/v1/messages?beta=true', anthropic],
          ['/v1/messages/count_tokens', anthropic],
        ] as const) {
          const { status, headers, text } = await fleet.post(path, promptOf(400_000));
          assert.equal(status, 413);
          assert.equal(headers['content-type'], 'application/json');
          assert.deepEqual(JSON.parse(text), error, path);
        }
        assert.equal(received(), before);
      });
    });
  }

  for (const file of ['warmroute.yaml', 'original-dst.yaml', 'endpoint-picker.yaml'] as const) {
    it(`of 5 MB are routed like any other (${file})`, async () => {
      await withFleet(startFleet({ pods, file }), async fleet => {
        const { status, decision } = await fleet.post('/v1/completions', promptOf(5_000_000));
        assert.equal(status, 200);
        assert.include(['no_match', 'prefix_match'], decision?.reason);
        assert.isAbove(decision?.totalBlocks ?? 0, 1000);
        if (file !== 'endpoint-picker.yaml') assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);
        assert.equal(await fleet.filterStat('message_timeouts'), 0);
      });
    });
  }
});
