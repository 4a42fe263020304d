/** What a real Envoy makes of requests that are left to it: in shadow mode all, as if there were no router; in a rollout a share. */
import type { IncomingHttpHeaders } from 'node:http';
import { assert } from 'chai';
import { type EnvoyFile, withEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { type Answer, createLlmClient, type LlmClient } from '../support/llm-client.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];
const COMPLETION = { model: 'demo', prompt: 'To whom it may concern, kindly be left alone.' };
/** What differs from one request to the next, and how a body is framed that passes through the router. */
const ITS_OWN: ReadonlySet<string> = new Set([
  ...['x-request-id', 'traceparent', 'tracestate', 'date', 'x-envoy-upstream-service-time'],
  ...['content-length', 'transfer-encoding'],
]);

const shared = (headers: IncomingHttpHeaders) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ITS_OWN.has(name)));

describe('Requests that are left to Envoy', function () {
  this.timeout(30_000);
  let pods: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    pods = await Promise.all(['pod-0', 'pod-1'].map(name => startTinyPod(name)));
  });
  after(() => Promise.all((pods ?? []).map(pod => pod.stop())));

  const ASKED: readonly (readonly [what: string, ask: (client: LlmClient) => Promise<Answer>])[] = [
    ['a completion', client => client.post('/v1/completions', COMPLETION)],
    [
      'one with routing headers of its own',
      client =>
        client.post('/v1/completions', COMPLETION, {
          ...{ 'routing-strategy': 'random', 'x-session-id': 'a', 'external-filter': 'a=b' },
        }),
    ],
    [
      'one for a model that nobody knows',
      client => client.post('/v1/completions', { ...COMPLETION, model: 'x' }),
    ],
    ['one that is no JSON', client => client.post('/v1/completions', Buffer.from('{"model":'))],
    ['an upload', client => client.post('/v1/files', Buffer.from('x'.repeat(100_000)))],
    ['a list of models', client => client.get('/v1/models')],
    ['a path that is closed otherwise', client => client.post('/v1/load_lora_adapter', { lora_name: 'a' })],
  ];

  /** What reaches a pod, and what its client is answered. */
  async function seen(client: LlmClient, ask: (client: LlmClient) => Promise<Answer>) {
    const before = new Map(pods.map(pod => [pod, pod.requests.length]));
    const { status, headers, text } = await ask(client);
    const reached = pods.flatMap(pod => pod.requests.slice(before.get(pod)));
    return {
      answer: { status, text, headers: shared(headers) },
      reached: reached.map(({ headers, ...request }) => ({ ...request, headers: shared(headers) })),
    };
  }

  for (const file of FILES) {
    it(`are in shadow mode what they are without a router (${file})`, async () => {
      const addresses = pods.map(({ address }) => address);
      const environment = { WARMROUTE_MODE: 'shadow', WARMROUTE_HEALTH_INTERVAL_MS: '0' };
      await withFleet(startFleet({ file, pods, environment }), async fleet => {
        await withEnvoy({ file, routers: [], pods: addresses }, async bare => {
          const client = createLlmClient(bare.url, { 'x-warmroute-debug': '1' });
          // Both Envoys on one address, as headers have it.
          const host = { host: 'llm.example' };
          const named = (to: LlmClient): LlmClient => ({
            ...to,
            get: (path, headers) => to.get(path, { ...host, ...headers }),
            post: (path, body, headers) => to.post(path, body, { ...host, ...headers }),
          });
          try {
            for (const [what, ask] of ASKED) {
              // Without a router this one serves nobody.
              const shadowed = await seen(named(fleet), ask);
              assert.equal(shadowed.answer.status, 200, what);
              assert.lengthOf(shadowed.reached, 1, what);
              if (file !== 'endpoint-picker.yaml')
                assert.deepEqual(shadowed, await seen(named(client), ask), what);
            }
          } finally {
            await client.close();
          }
        });
        // Round robin goes on as it does without one.
        const before = pods.map(({ requests }) => requests.length);
        for (let i = 0; i < 4; i++) await fleet.post('/v1/completions', COMPLETION);
        assert.deepEqual(
          pods.map(({ requests }, i) => requests.length - before[i]!),
          [2, 2],
        );
        await eventually('each was seen to the end', async () => {
          const metrics = await fleet.program.metrics();
          const went = (where: string) => metrics('warmroute_shadow_agreement_total', { went: where });
          return went('same') + went('other') >= 5 && went('unknown') === 0;
        });
        const metrics = await fleet.program.metrics();
        assert.isAtLeast(
          metrics('warmroute_left_rejections_total', { kind: 'unknown_model' }),
          file === 'endpoint-picker.yaml' ? 0 : 1,
        );
        assert.equal(metrics('warmroute_rejections_total'), 0);
        await eventually('nothing is in flight', async () => (await fleet.inFlight()) === 0);
      });
    });

    it(`are the same half of the sessions at 50 % (${file})`, async () => {
      const environment = { WARMROUTE_ROLLOUT_PERCENT: '50', WARMROUTE_HEALTH_INTERVAL_MS: '0' };
      await withFleet(startFleet({ file, pods, environment }), async fleet => {
        const routed = new Map<string, boolean>();
        for (let round = 0; round < 3; round++) {
          for (let i = 0; i < 12; i++) {
            const session = `agent-${i}`;
            const headers = { 'x-aibrix-session-key': session };
            const { answer, reached } = await seen(fleet, client =>
              client.post('/v1/completions', COMPLETION, headers),
            );
            assert.equal(answer.status, 200);
            const isRouted = answer.headers['x-warmroute-reason'] !== undefined;
            assert.equal(reached[0]?.headers['target-pod'] !== undefined, isRouted);
            if (!isRouted) assert.equal(reached[0]?.headers.model, 'demo');
            assert.equal(routed.get(session) ?? isRouted, isRouted, session);
            routed.set(session, isRouted);
          }
        }
        assert.isTrue(routed.get('agent-7'));
        assert.isFalse(routed.get('agent-8'));
        const metrics = await fleet.program.metrics();
        const left = [...routed.values()].filter(isRouted => !isRouted).length;
        assert.equal(metrics('warmroute_left_requests_total', { why: 'rollout' }), 3 * left);
      });
    });
  }
});
