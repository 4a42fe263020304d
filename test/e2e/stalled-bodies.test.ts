/** Uploads that do not come to their end, through real Envoy, where the router gathers bodies. */
import { createHash, randomBytes } from 'node:crypto';
import { assert } from 'chai';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const KIB = 1024;
const file = 'endpoint-picker.yaml';

/** A completion in two halves. `finish` sends the second one, and resolves with the answer. */
function upload(fleet: Fleet, bytes: number, { names = '"model":"demo",' } = {}) {
  const text = Buffer.from(`{${names}"prompt":"${randomBytes(bytes / 2).toString('hex')}"}`);
  const [first, second] = [text.subarray(0, text.length - 100), text.subarray(text.length - 100)];
  const go = Promise.withResolvers<void>();
  async function* halves() {
    yield first;
    await go.promise;
    yield second;
  }
  const answer = fetch(`${fleet.envoy.url}/v1/completions`, {
    ...{ method: 'POST', body: ReadableStream.from(halves()), duplex: 'half' },
    headers: { 'content-type': 'application/json', 'x-warmroute-debug': '1' },
  } as RequestInit).then(async response => ({ response, text: await response.text() }));
  answer.catch(() => {});
  return {
    sha256: createHash('sha256').update(text).digest('hex'),
    finish() {
      go.resolve();
      return answer;
    },
  };
}

describe('Bodies that do not come to their end', function () {
  this.timeout(30_000);
  let pods: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));

  const arrived = (sha256: string) =>
    pods.find(({ requests }) => requests.some(each => each.sha256 === sha256));
  const unharmed = async (fleet: Fleet) => {
    for (const counter of ['spurious_msgs_received', 'streams_failed', 'message_timeouts']) {
      assert.equal(await fleet.filterStat(counter), 0, counter);
    }
  };

  it('are let go after WARMROUTE_BODY_TIMEOUT_MS, by load, and arrive whole when the rest comes', async () => {
    const environment = { WARMROUTE_BODY_TIMEOUT_MS: '200' };
    await withFleet(startFleet({ file, pods, environment }), async fleet => {
      for (const names of ['"model":"demo",', '']) {
        const { sha256, finish } = upload(fleet, 300 * KIB, { names });
        const before = (await fleet.program.metrics())('warmroute_decisions_total', { reason: 'late_body' });
        await eventually('the request has a pod', async () => {
          const metrics = await fleet.program.metrics();
          return metrics('warmroute_decisions_total', { reason: 'late_body' }) === before + 1;
        });
        await eventually('nothing of it is held any more', async () => {
          return (await fleet.program.metrics())('warmroute_buffered_body_bytes') === 0;
        });
        assert.equal(await fleet.inFlight(), 1);
        const { response } = await finish();
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('x-warmroute-reason'), 'late_body');
        assert.equal(arrived(sha256)?.pod.name, response.headers.get('x-warmroute-pod'));
      }
      const warned = fleet.program.logLines.filter(({ level }) => level === 'warn');
      assert.lengthOf(warned, 1, 'said once in a while');
      assert.include(warned[0]!.message, 'WARMROUTE_BODY_TIMEOUT_MS');
      await unharmed(fleet);
    });
  });

  it('go to any pod where pods serve different models and it is not known which is asked for', async () => {
    const environment = { WARMROUTE_BODY_TIMEOUT_MS: '200' };
    const [pod, other] = pods as [TinyPod, TinyPod];
    const mixed = [pod, { ...other, pod: { ...other.pod, model: 'other' } }];
    await withFleet(startFleet({ file, pods: mixed, environment }), async fleet => {
      const named = upload(fleet, 300 * KIB);
      const nameless = upload(fleet, 300 * KIB, { names: '' });
      await eventually('both are let go', async () => {
        const metrics = await fleet.program.metrics();
        return (
          metrics('warmroute_decisions_total', { reason: 'any_pod' }) === 1 &&
          metrics('warmroute_decisions_total', { reason: 'only_pod' }) +
            metrics('warmroute_decisions_total', { reason: 'late_body' }) ===
            1
        );
      });
      for (const { finish, sha256 } of [named, nameless]) {
        assert.equal((await finish()).response.status, 200);
        assert.isDefined(arrived(sha256));
      }
      assert.equal(arrived(named.sha256), pod);
      await unharmed(fleet);
    });
  });

  it('take no more than WARMROUTE_MAX_BUFFERED_BYTES together, and keep nobody else from being routed', async () => {
    const most = 2048 * KIB;
    const environment = { WARMROUTE_MAX_BUFFERED_BYTES: String(most) };
    await withFleet(startFleet({ file, pods, environment }), async fleet => {
      const uploads = Array.from({ length: 16 }, () => upload(fleet, 400 * KIB));
      await eventually('those that came first are let go', async () => {
        const metrics = await fleet.program.metrics();
        const held = metrics('warmroute_buffered_body_bytes');
        assert.isAtMost(held, most);
        // Of 6.4 MB, what there is room for.
        const letGo = metrics('warmroute_decisions_total', { reason: 'buffers_full' });
        return letGo >= uploads.length - 4 && held >= 2 * 400 * KIB;
      });
      const prompt = { model: 'demo', prompt: 'Once upon a time '.repeat(20) };
      await fleet.post('/v1/completions', prompt);
      assert.equal((await fleet.post('/v1/completions', prompt)).decision?.reason, 'prefix_match');

      for (const { finish, sha256 } of uploads) {
        const { response, text } = await finish();
        assert.equal(response.status, 200, text);
        assert.isDefined(arrived(sha256));
      }
      const metrics = await fleet.program.metrics();
      assert.equal(metrics('warmroute_buffered_body_bytes'), 0);
      assert.equal(metrics('warmroute_decisions_total'), uploads.length + 2, 'each is decided once');
      await unharmed(fleet);
    });
  });
});
