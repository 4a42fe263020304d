import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { assert } from 'chai';
import { answerSlowly, askMany, FAILURES, type Result, startBrokenPod } from '../support/broken-pods.ts';
import { aPod } from '../support/builders.ts';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { type AnswerTo, answerBriefly, startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];

describe('One pod of three fails', function () {
  this.timeout(60_000);
  before(envoyReady);

  for (const [i, failure] of FAILURES.entries()) {
    it(`it ${failure}: no more than 10 of 200 requests fail, and none of the last 100`, async () => {
      await inEachConfiguration(async (file, j) => {
        // By turns, so that each failure is found out by polls, and without them.
        const health = (i + j) % 2 === 0 ? 'fails, too' : 'is well';
        const pods = [
          await startBrokenPod('broken', failure, health),
          await startTinyPod('well-0', answerSlowly, answerBriefly),
          await startTinyPod('well-1', answerSlowly, answerBriefly),
        ];
        try {
          await withFleet(startFleet({ file, pods }), async fleet => {
            const results = await askMany(fleet, { requests: 200, atATime: 12, timeoutMs: 5_000 });
            assert.isAtMost(failuresOf(results).length, 10, `${file}: ${failuresOf(results)}`);
            assert.isEmpty(failuresOf(results.slice(100)), `${file}, of the last 100`);
            // The others got all that it would have got, not one of them.
            const [, ...well] = pods.map(({ requests }) => requests.length);
            assert.isAbove(Math.min(...well), 20, file);
          });
        } finally {
          await Promise.all(pods.map(pod => pod.stop()));
        }
      });
    });
  }
});

describe('A pod that is never reached', function () {
  this.timeout(60_000);
  before(envoyReady);

  it('is found out without polls, by who answered in its stead', async () => {
    await inEachConfiguration(async file => {
      const pods = [
        await startBrokenPod('broken', 'closed port', 'fails, too'),
        await startTinyPod('well-0'),
        await startTinyPod('well-1'),
      ];
      try {
        const environment = { WARMROUTE_HEALTH_INTERVAL_MS: '0', ROUTING_ALGORITHM: 'random' };
        await withFleet(startFleet({ file, pods, environment }), async fleet => {
          const results = await askMany(fleet, { requests: 48, atATime: 4, timeoutMs: 20_000 });
          assert.deepEqual(failuresOf(results), [], file);
          const response = await fetch(`http://127.0.0.1:${fleet.program.adminPort}/debug/pods`);
          const { pods: told } = (await response.json()) as { pods: Record<string, unknown>[] };
          assert.deepInclude(told[0], { health: 'failing', why: 'another pod had to answer' }, file);
          for (const well of told.slice(1))
            assert.deepInclude(well, { health: 'healthy', requestsFailed: 0 }, file);
        });
      } finally {
        await Promise.all(pods.map(pod => pod.stop()));
      }
    });
  });
});

describe('An engine is killed under load', function () {
  this.timeout(60_000);
  before(envoyReady);

  it('five times, and no client sees it', async () => {
    await inEachConfiguration(async file => {
      const mortal = await MortalPod.start('mortal');
      const pods = [
        mortal,
        await startTinyPod('well-0', answerSoon, answerBriefly),
        await startTinyPod('well-1', answerSoon, answerBriefly),
      ];
      try {
        await withFleet(startFleet({ file, pods }), async fleet => {
          const asking = askMany(fleet, { requests: 1_000, atATime: 12, timeoutMs: 20_000 });
          for (let kill = 0; kill < 5; kill++) {
            const before = mortal.answered;
            await eventually('it has requests', () => mortal.answered > before + 5 || mortal.isIdle);
            await mortal.kill();
            await mortal.restart();
          }
          assert.deepEqual(failuresOf(await asking), [], file);
        });
      } finally {
        await Promise.all(pods.map(pod => pod.stop()));
      }
    });
  });
});

/** All at once: each takes seconds, of which most are spent waiting. */
async function inEachConfiguration(test: (file: EnvoyFile, index: number) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(FILES.map(test));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function failuresOf(results: readonly Result[]): string[] {
  return results.flatMap(({ status }, i) => (status === 200 ? [] : [`${i}: ${status}`]));
}

const answerSoon: AnswerTo = (_, response) => {
  setTimeout(() => response.end('{}'), 20);
};

/** Dies as a process does: its connections are reset, with the requests on them, and nothing listens until it is back. */
class MortalPod implements Pick<TinyPod, 'pod' | 'address' | 'stop'> {
  readonly pod: TinyPod['pod'];
  readonly address: string;
  answered = 0;
  #server: Server;
  #sockets = new Set<Socket>();
  #lastAt = performance.now();

  private constructor(name: string, port: number, server: Server) {
    this.#server = server;
    this.pod = aPod({ name, port });
    this.address = `127.0.0.1:${port}`;
    this.#serve();
  }

  static async start(name: string): Promise<MortalPod> {
    const port = await freePort();
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new MortalPod(name, port, server);
  }

  /** It fails, as far as the router knows, and gets nothing for a while. */
  get isIdle(): boolean {
    return performance.now() - this.#lastAt > 200;
  }

  async kill(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async restart(): Promise<void> {
    this.#server = createServer();
    this.#serve();
    this.#server.listen(this.pod.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    await this.kill();
  }

  #serve(): void {
    this.#server.on('connection', socket => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('request', (request, response) => {
      request.resume().once('end', () => {
        this.answered++;
        this.#lastAt = performance.now();
        setTimeout(() => response.end('{}'), request.method === 'GET' ? 0 : 20);
      });
    });
  }
}
