import { once } from 'node:events';
import { connect } from 'node:net';
import { assert } from 'chai';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, startFleetWithProcess, withFleet } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { type ProgramProcess, startProgramProcess } from '../support/program.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const CHAT = { model: 'demo', messages: [{ role: 'user', content: 'Tell me a long story.' }] };

describe('A rolling restart', function () {
  this.timeout(40_000);
  let pods: TinyPod[];
  let finish: () => void;

  before(async function () {
    await envoyReady.call(this);
    const answer: Parameters<typeof startTinyPod>[1] = ({ path }, response) => {
      if (path !== '/v1/chat/completions') return void response.end('{}');
      response.write('data: {"once":"upon a time"}\n\n');
      finish = () => response.end('data: [DONE]\n\n');
    };
    pods = [await startTinyPod('pod-0', answer), await startTinyPod('pod-1', answer)];
  });
  after(() => Promise.all(pods.map(pod => pod.stop())));

  /** Requests one after another, on several connections, until told to stop; the statuses, and who decided. */
  function keepAsking(fleet: Fleet) {
    let asking = true;
    const statuses: number[] = [];
    const decisions: (string | undefined)[] = [];
    const askers = Array.from({ length: 4 }, async () => {
      for (let i = 0; asking; i++) {
        const { status, decision } = await fleet.post('/v1/completions', {
          model: 'demo',
          prompt: `Number ${i}`,
        });
        statuses.push(status);
        decisions.push(decision?.reason);
      }
    });
    return {
      async stop() {
        asking = false;
        await Promise.all(askers);
        return { statuses, decisions };
      },
    };
  }

  it('of the router fails no request: one replica leaves while another one takes over', async () => {
    const port = await freePort();
    const starting = startFleetWithProcess({ pods, otherRouters: [`127.0.0.1:${port}`] });
    let successor: ProgramProcess | undefined;
    try {
      await withFleet(starting, async fleet => {
        const generation = await fleet.stream('/v1/chat/completions', CHAT);
        const asking = keepAsking(fleet);

        successor = await startProgramProcess({
          pods: pods.map(({ pod }) => pod),
          environment: { WARMROUTE_GRPC_ADDRESS: `127.0.0.1:${port}`, WARMROUTE_DEBUG_HEADERS: 'true' },
        });
        await eventually(
          'Envoy finds both healthy',
          async () => (await fleet.routerStat('membership_healthy')) === 2,
        );
        const { program } = fleet;
        program.kill('SIGTERM');
        assert.deepEqual(await program.exited, { code: 0, signal: null });
        assert.equal(program.logLines.at(-1)?.message, 'stopped');
        assert.deepEqual(
          program.logLines.filter(({ level }) => level === 'error'),
          [],
        );
        const taken = async () => (await successor?.metrics())?.('warmroute_decisions_total') ?? 0;
        const before = await taken();
        await eventually('the successor decides', async () => (await taken()) > before + 20);

        const { statuses, decisions } = await asking.stop();
        assert.deepEqual([...new Set(statuses)], [200]);
        assert.notInclude(decisions, undefined, 'every request was decided');
        assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);

        finish();
        assert.equal(await generation.text, 'data: {"once":"upon a time"}\n\ndata: [DONE]\n\n');
      });
    } finally {
      await successor?.stop();
    }
  });

  it('waits for the bodies that pass through the router, which its end would cut', async () => {
    // Tokens without a pause, so that some of them are always with the router.
    let left = Number.POSITIVE_INFINITY;
    let sent = 0;
    const pod = await startTinyPod('pod-0', (_, response) => {
      const next = () => {
        if (left-- === 0) return void response.end('data: [DONE]\n\n');
        if (response.destroyed) return;
        response.write(`data: ${sent++}\n\n`, () => setImmediate(next));
      };
      next();
    });
    try {
      await withFleet(startFleetWithProcess({ file: 'endpoint-picker.yaml', pods: [pod] }), async fleet => {
        const generation = await fleet.stream('/v1/chat/completions', CHAT);
        const { program } = fleet;
        program.kill('SIGTERM');
        // When the port is closed, the time in which Envoy was to notice is over, and only bodies are waited for.
        await eventually('the program takes no new connections', () => refuses(program.grpcPort));
        left = 100;
        const tokens = (await generation.text).match(/^data: .+$/gm) ?? [];
        assert.equal(tokens.at(-1), 'data: [DONE]');
        const outOfPlace = tokens.findIndex((token, position) => token !== `data: ${position}`);
        assert.equal(outOfPlace, sent, 'none is missing');
        assert.deepEqual(await program.exited, { code: 0, signal: null });
      });
    } finally {
      await pod.stop();
    }
  });

  it('of the only router fails no request either: they go round robin while there is none', async () => {
    await withFleet(startFleetWithProcess({ pods }), async fleet => {
      const generation = await fleet.stream('/v1/chat/completions', CHAT);
      const asking = keepAsking(fleet);
      fleet.program.kill('SIGTERM');
      assert.deepEqual(await fleet.program.exited, { code: 0, signal: null });
      const { statuses } = await asking.stop();
      assert.deepEqual([...new Set(statuses)], [200]);
      finish();
      assert.equal(await generation.text, 'data: {"once":"upon a time"}\n\ndata: [DONE]\n\n');
    });
  });
});

async function refuses(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    return await once(socket, 'connect').then(
      () => false,
      () => true,
    );
  } finally {
    socket.destroy();
  }
}
