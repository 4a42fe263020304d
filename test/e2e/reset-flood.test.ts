import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { assert } from 'chai';
import { Pool } from 'undici';
import type { Pod } from '../../src/domain.ts';
import { aPod } from '../support/builders.ts';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, type Fleet, startFleetWithProcess, withFleet } from '../support/fleet.ts';

const CONCURRENCY = 64;
/** Of so many requests one is given up by its client. */
const CANCELLED_EVERY = 20;
const BODY = JSON.stringify({ model: 'demo', prompt: 'Hello' });
/** As lean as the program goes: this is about connections. */
const ENVIRONMENT = { ROUTING_ALGORITHM: 'least-request', WARMROUTE_LOG_LEVEL: 'info' };

/** Answers at once, but holds what asks to be held. */
class Upstream {
  readonly #server = createServer((request, response) => {
    request.resume().once('end', () => {
      const hold = request.headers['x-hold'];
      if (hold === undefined) response.end('{}');
      else this.#held.emit(String(hold));
    });
  });
  readonly #held = new EventEmitter().setMaxListeners(0);

  /** Resolves when the request with `x-hold: id` is here. */
  async holds(id: string): Promise<void> {
    await once(this.#held, id);
  }

  async listen(name: string): Promise<{ pod: Pod; address: string }> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    return { pod: aPod({ name, port }), address: `127.0.0.1:${port}` };
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** So many rounds of the event loop, in which other requests get on. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i <= count; i++) await new Promise(setImmediate);
}

interface Outcome {
  readonly statuses: Map<number, number>;
  readonly cancelled: number;
}

describe('A flood of requests', function () {
  this.timeout(60_000);
  let upstream: Upstream;
  let pods: { pod: Pod; address: string }[];

  before(async function () {
    await envoyReady.call(this);
    upstream = new Upstream();
    pods = [await upstream.listen('pod-0')];
  });
  after(() => upstream.stop());

  async function flood(fleet: Fleet, requests: number): Promise<Outcome> {
    // A process that has just started takes its time for a burst, and this is not about that.
    for (let i = 0; i < CONCURRENCY; i++) await fleet.post('/v1/completions', Buffer.from(BODY));
    const pool = new Pool(fleet.envoy.url, { connections: CONCURRENCY });
    const statuses = new Map<number, number>();
    let cancelled = 0;
    let next = 0;
    const ask = (headers: Record<string, string>, signal?: AbortSignal) =>
      pool.request({
        ...{ method: 'POST', path: '/v1/completions', body: BODY },
        headers: { 'content-type': 'application/json', ...headers },
        ...(signal && { signal }),
      });

    /** Given up while a pod works on it, or somewhere on its way there. */
    async function cancel(number: number): Promise<void> {
      const client = new AbortController();
      const id = String(number);
      const when = number % (2 * CANCELLED_EVERY) === 0 ? upstream.holds(id) : turns(number % 23);
      const asked = ask({ 'x-hold': id }, client.signal);
      void when.then(() => client.abort());
      await asked.then(
        () => assert.fail('a held request is never answered'),
        () => cancelled++,
      );
    }
    async function worker(): Promise<void> {
      for (let number = next++; number < requests; number = next++) {
        if (number % CANCELLED_EVERY === 0) {
          await cancel(number);
          continue;
        }
        const { statusCode, body } = await ask({});
        await body.dump();
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
      }
    }
    try {
      await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    } finally {
      await pool.destroy();
    }
    return { statuses, cancelled };
  }

  const FLOOD = 20_000;
  const FLOODED: readonly {
    file: EnvoyFile;
    fallback: string | undefined;
    prove(fleet: Fleet): Promise<void>;
  }[] = [
    {
      file: 'warmroute.yaml',
      fallback: undefined,
      // Half-closed instead of reset, but for what the clients gave up.
      async prove(fleet) {
        assert.isBelow(await fleet.routerStat('upstream_rq_tx_reset'), FLOOD / 10);
        assert.isAtLeast(await fleet.routerStat('upstream_cx_max_requests'), FLOOD / 1_000);
      },
    },
    {
      file: 'aibrix.yaml',
      fallback: 'llm_fallback',
      // Every request is a reset, all of them on one connection.
      async prove(fleet) {
        assert.isAbove(await fleet.routerStat('upstream_rq_tx_reset'), FLOOD / 2);
        assert.equal(await fleet.routerStat('upstream_cx_total'), 1);
      },
    },
  ];

  for (const { file, fallback, prove } of FLOODED) {
    it(`of ${FLOOD}, one in ${CANCELLED_EVERY} cancelled, is all answered and routed (${file})`, async () => {
      await withFleet(startFleetWithProcess({ file, pods, environment: ENVIRONMENT }), async fleet => {
        const { statuses, cancelled } = await flood(fleet, FLOOD);
        assert.deepEqual(Object.fromEntries(statuses), { 200: FLOOD - FLOOD / CANCELLED_EVERY });
        assert.equal(cancelled, FLOOD / CANCELLED_EVERY);

        assert.equal(await fleet.filterStat('failure_mode_allowed'), 0);
        assert.equal(await fleet.filterStat('streams_failed'), 0);
        // GOAWAY, and connections that the router ended.
        for (const counter of [
          'upstream_cx_close_notify',
          'upstream_cx_destroy_remote',
          'upstream_cx_destroy_with_active_rq',
        ]) {
          assert.equal(await fleet.routerStat(counter), 0, counter);
        }
        await prove(fleet);
        if (fallback !== undefined) {
          const stat = `cluster.${fallback}.upstream_rq_total`;
          assert.equal((await fleet.envoy.stats(stat)).get(stat), 0);
        }
        const decisions = (await fleet.program.metrics())('warmroute_decisions_total');
        assert.isAtLeast(decisions, FLOOD - FLOOD / CANCELLED_EVERY);
        await eventually('nothing is in flight', async () => {
          const metrics = await fleet.program.metrics();
          return metrics('warmroute_requests_in_flight') + metrics('warmroute_extproc_streams') === 0;
        });
      });
    });
  }

  it('ends connections where Node’s own limit on resets holds', async () => {
    const standard = `import http2 from 'node:http2';
      const { createServer } = http2;
      http2.createServer = ({ streamResetBurst, streamResetRate, ...options }, ...rest) => createServer(options, ...rest);`;
    const environment = {
      ...ENVIRONMENT,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(standard)}`,
    };
    await withFleet(startFleetWithProcess({ file: 'aibrix.yaml', pods, environment }), async fleet => {
      await flood(fleet, 3_000);
      assert.isAbove(await fleet.routerStat('upstream_cx_close_notify'), 0);
    });
  });
});
