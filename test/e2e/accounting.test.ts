import { assert } from 'chai';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];
const CHAT = { model: 'demo', messages: [{ role: 'user', content: 'Count to a million.' }] };

describe('Requests in flight', function () {
  this.timeout(20_000);
  let pods: TinyPod[];
  let finish: (() => void)[];

  before(async function () {
    await envoyReady.call(this);
    // Everything lasts until the test lets it end.
    const answer: Parameters<typeof startTinyPod>[1] = (_, response) => {
      response.write('data: 1\n\n');
      finish.push(() => response.end('data: [DONE]\n\n'));
    };
    pods = [await startTinyPod('pod-0', answer), await startTinyPod('pod-1', answer)];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));
  beforeEach(() => {
    finish = [];
  });

  const untilInFlight = (fleet: Fleet, count: number) =>
    eventually(`${count} in flight`, async () => (await fleet.inFlight()) === count);

  for (const file of FILES) {
    it(`are counted from the decision until the answer has ended, or the client has gone (${file})`, async () => {
      await withFleet(startFleet({ file, pods }), async fleet => {
        assert.equal(await fleet.inFlight(), 0);
        // Asking for the decision makes the router part of the response too; both ways are to be counted.
        const [finished, alsoFinished, ...aborted] = [
          await fleet.stream('/v1/chat/completions', CHAT),
          await fleet.stream('/v1/chat/completions', CHAT, { 'x-warmroute-debug': '0' }),
          await fleet.stream('/v1/chat/completions', CHAT),
          await fleet.stream('/v1/chat/completions', CHAT, { 'x-warmroute-debug': '0' }),
        ];
        assert.equal(await fleet.inFlight(), 4);
        for (const generation of aborted) generation.abort();
        await untilInFlight(fleet, 2);
        for (const each of finish) each();
        for (const { text } of [finished, alsoFinished]) assert.include(await text, '[DONE]');
        await untilInFlight(fleet, 0);
        await eventually('no stream is left', async () => {
          return (await fleet.program.metrics())('warmroute_extproc_streams') === 0;
        });
      });
    });

    // As an endpoint picker the router picks for every request.
    if (file !== 'endpoint-picker.yaml')
      it(`never include what is not routed, or refused (${file})`, async () => {
        await withFleet(startFleet({ file, pods }), async fleet => {
          const listing = fleet.get('/v1/files');
          const uploading = fleet.post('/v1/files', { purpose: 'batch' });
          await eventually('both are at their pods', () => finish.length === 2);
          assert.equal((await fleet.post('/v1/chat/completions', { ...CHAT, model: 'other' })).status, 404);
          assert.equal(await fleet.inFlight(), 0);
          for (const each of finish) each();
          assert.deepEqual([(await listing).status, (await uploading).status], [200, 200]);
          const metrics = await fleet.program.metrics();
          assert.equal(metrics('warmroute_decisions_total'), 0);
          assert.equal(metrics('warmroute_rejections_total', { kind: 'unknown_model' }), 1);
        });
      });
  }
});
