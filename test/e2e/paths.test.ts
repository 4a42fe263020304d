import { assert } from 'chai';
import { PATHS } from '../../src/prompt/paths.ts';
import { envoyReady, type Fleet, startFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const ROUTED = [...PATHS].filter(([, how]) => how !== 'refused').map(([path]) => path);
const REFUSED = [...PATHS].filter(([, how]) => how === 'refused').map(([path]) => path);
/** Has what each endpoint asks for. */
const BODY = {
  prompt: 'x',
  input: 'x',
  text: 'x',
  token_ids: [1],
  messages: [{ role: 'user', content: 'x' }],
};

for (const file of ['warmroute.yaml', 'original-dst.yaml', 'endpoint-picker.yaml'] as const) {
  describe(`Paths (${file})`, function () {
    this.timeout(20_000);
    let pods: TinyPod[];
    let fleet: Fleet;

    before(async function () {
      await envoyReady.call(this);
      pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
      fleet = await startFleet({ file, pods });
    });
    after(async () => {
      await fleet?.stop();
      await Promise.all((pods ?? []).map(pod => pod.stop()));
    });

    const requests = () => pods.flatMap(({ requests }) => requests);

    it('that are routed get a pick, with a model or without, and arrive as they were asked for', async () => {
      for (const path of ROUTED) {
        for (const [written, body] of [
          [path, { model: 'demo', ...BODY }],
          [`${path}/?a=b`, BODY],
        ] as const) {
          const { status, decision, servedBy } = await fleet.post(written, body);
          assert.equal(status, 200, written);
          const picked = pods.find(({ pod }) => pod.name === decision?.pod);
          assert.equal(servedBy, picked?.address, written);
          assert.equal(picked?.requests.at(-1)?.path, written);
        }
      }
    });

    it('that are refused are answered 403 and reach no pod, however they are written', async () => {
      const before = requests().length;
      for (const path of REFUSED) {
        for (const written of [
          path,
          `/${path}/`,
          `${path}?a=b`,
          path.replace('v1/', 'v1%2f'),
          path.replace('_', '%5F'),
        ]) {
          const { status, text } = await fleet.post(written, { model: 'demo', ...BODY });
          assert.oneOf(
            status,
            written.startsWith('/v1/') || written.startsWith('//') ? [403] : [403, 404],
            written,
          );
          const { error, type } = JSON.parse(text) as { error: { type: string }; type?: string };
          const shape = path.startsWith('/v1/messages')
            ? ['error', 'permission_error']
            : [undefined, 'invalid_request_error'];
          if (status === 403) assert.deepEqual([type, error.type], shape, written);
        }
      }
      assert.equal(requests().length, before);
    });

    // As an endpoint picker the router leaves such errors to the engines.
    if (file !== 'endpoint-picker.yaml')
      it('have errors of their own API', async () => {
        for (const [path, body, status, error] of [
          [
            '/v1/messages',
            { model: 'other', messages: [] },
            400,
            { type: 'invalid_request_error', message: 'no messages in the request body' },
          ],
          [
            '/v1/messages/count_tokens',
            { model: 'other' },
            404,
            { type: 'not_found_error', message: 'The model `other` does not exist. Valid aliases: demo.' },
          ],
          [
            '/v1/messages',
            Buffer.from('{"model":"demo",'),
            400,
            {
              type: 'invalid_request_error',
              message:
                'error processing request body: invalid JSON: unexpected end at position 16 (line 1, column 17)',
            },
          ],
        ] as const) {
          const answer = await fleet.post(path, body);
          assert.equal(answer.status, status);
          assert.deepEqual(JSON.parse(answer.text), { type: 'error', error });
        }
        const { status, text } = await fleet.post('/v1/embeddings', { model: 'other' });
        assert.equal(status, 404);
        assert.deepEqual(JSON.parse(text), {
          error: {
            message: 'The model `other` does not exist. Valid aliases: demo.',
            ...{ type: 'invalid_request_error', code: 'model_not_found', param: 'model' },
          },
        });
      });

    it('that are for operators do not pass Envoy', async () => {
      for (const path of [
        '/sleep',
        '/collective_rpc',
        '/metrics',
        '/generate_other',
        '/v2/score',
        '/pooling/x',
      ])
        assert.equal((await fleet.post(path, {})).status, 404, path);
    });
  });
}
