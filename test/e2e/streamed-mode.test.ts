import { assert } from 'chai';
import { type Bootstrap, extProcOf } from '../../demo/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, startFleet, withFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

/** Half a completion, and the other half. */
const PIECE = '{"model":"demo","prompt":['.padEnd(1_000);
const REST = '1, 2, 3]}'.padStart(1_000);

/** A body whose second half is sent when Envoy has seen a message of the router, or has sent it the first half. */
async function slowly(fleet: Fleet) {
  const messages = async () =>
    (await fleet.filterStat('stream_msgs_received')) + (await fleet.filterStat('stream_msgs_sent'));
  const before = await messages();
  async function* pieces() {
    yield Buffer.from(PIECE);
    await eventually('Envoy and the router have spoken', async () => (await messages()) >= before + 2);
    yield Buffer.from(REST);
  }
  const response = await fetch(`${fleet.envoy.url}/v1/completions`, {
    ...{ method: 'POST', body: ReadableStream.from(pieces()), duplex: 'half' },
  } as RequestInit);
  await response.text();
  return { status: response.status, servedBy: response.headers.get('x-target-pod') };
}

const BODIES = [1_000, 300_000].map(bytes => ({ model: 'demo', prompt: 'ab'.repeat(bytes / 2) }));

/** Envoy as somebody else set it up: `request_body_mode: STREAMED`, the rest as in warmroute.yaml. */
function streamed(change: (filter: Record<string, unknown>) => void) {
  return (bootstrap: Bootstrap) => {
    const filter = extProcOf(bootstrap);
    Object.assign(filter.processing_mode as object, { request_body_mode: 'STREAMED' });
    delete filter.allow_mode_override;
    delete filter.allowed_override_modes;
    change(filter);
  };
}

describe('Request bodies that Envoy sends in pieces (STREAMED)', function () {
  this.timeout(20_000);
  let pods: TinyPod[];

  before(async function () {
    await envoyReady.call(this);
    pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));

  const lastRequest = (address: string | null | undefined) =>
    pods.find(pod => pod.address === address)?.requests.at(-1);

  const cases = {
    'are buffered instead where the router may ask for it, so that requests are routed': {
      change: filter => {
        filter.allow_mode_override = true;
      },
      routed: true,
    },
    'come before the headers are let go where Envoy does not wait, so that requests are routed': {
      change: filter => {
        filter.send_body_without_waiting_for_header_response = true;
      },
      routed: true,
    },
    'come too late where Envoy waits and the router may not ask: requests are served without a pick': {
      change: () => {},
      routed: false,
    },
    'come too late where the mode that the router asks for is not allowed': {
      change: filter => {
        filter.allow_mode_override = true;
        filter.allowed_override_modes = [{ request_body_mode: 'NONE' }];
      },
      routed: false,
    },
  } satisfies Record<string, { change(filter: Record<string, unknown>): void; routed: boolean }>;

  for (const [name, { change, routed }] of Object.entries(cases)) {
    it(name, async () => {
      await withFleet(startFleet({ pods, edit: streamed(change) }), async fleet => {
        for (const body of BODIES) {
          const { status, servedBy } = await fleet.post('/v1/completions', body);
          assert.equal(status, 200);
          const received = lastRequest(servedBy);
          assert.equal(received?.bytes, JSON.stringify(body).length);
          if (routed) assert.equal(received?.headers['target-pod'], servedBy);
        }
        const { status, servedBy } = await slowly(fleet);
        assert.equal(status, 200);
        const received = lastRequest(servedBy);
        assert.equal(received?.bytes, PIECE.length + REST.length);
        if (routed) assert.equal(received?.headers['target-pod'], servedBy);
        else assert.notProperty(received?.headers, 'target-pod');

        assert.equal((await fleet.get('/v1/files')).status, 200);
        assert.equal((await fleet.post('/v1/completions', { model: 'other', prompt: 'x' })).status, 404);
        const counters = [
          'failure_mode_allowed',
          'spurious_msgs_received',
          'message_timeouts',
          'streams_failed',
        ];
        for (const counter of counters) assert.equal(await fleet.filterStat(counter), 0, counter);
        const metrics = await fleet.program.metrics();
        if (routed) assert.equal(metrics('warmroute_decisions_total'), BODIES.length + 1);
      });
    });
  }
});
