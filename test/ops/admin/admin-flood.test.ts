import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { assert } from 'chai';
import { type Admin, startAdmin } from '../../../src/ops/admin/admin.ts';
import { statusRoutes } from '../../../src/ops/admin/status-routes.ts';
import { createMetrics } from '../../../src/ops/metrics/metrics.ts';

const CONNECTIONS = 300;
const REQUESTS = 50;
/** Some 2 MB a scrape: what hundreds of pods have. */
const SERIES = 30_000;
/** Of 2 MB, 15,000 times. */
const MOST_MEMORY_BYTES = 256 << 20;

describe('300 clients that ask for the metrics 50 times in advance and read nothing', function () {
  this.timeout(20_000);

  let admin: Admin;
  let scrapes = 0;
  const clients: Socket[] = [];

  before(async () => {
    const metrics = createMetrics();
    const counter = metrics.counter('warmroute_test_total', 'of tests', ['pod']);
    for (let i = 0; i < SERIES; i++) counter.add(i, { pod: `vllm-llama-70b-7c9d8f6b5-${i}` });
    const routes = statusRoutes({
      ...{ version: '1.2.3', models: () => [], publishers: () => [], pods: () => [], tokenizers: () => [] },
      isReady: () => ({ ready: true, why: 'ok' }),
      metrics({ response }) {
        scrapes++;
        return metrics.answer(response);
      },
    });
    admin = await startAdmin({ host: '127.0.0.1', port: 0, operators: 'loopback', hosts: [], routes });
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await admin.stop();
  });

  it('keep nobody from an answer, nor the process from its work, and cost little memory', async () => {
    const before = process.memoryUsage().rss;
    const scraped = `GET /metrics HTTP/1.1\r\nHost: router\r\n\r\n`.repeat(REQUESTS);
    for (let i = 0; i < CONNECTIONS; i++) {
      const client = connect(admin.port, '127.0.0.1').pause();
      client.on('error', () => {});
      client.once('connect', () => client.write(scraped));
      clients.push(client);
    }
    await Promise.all(clients.map(client => client.connecting && once(client, 'connect')));

    let turns = 0;
    let longest = 0;
    let memory = 0;
    let answered = 0;
    while (answered < 20 || turns < 500) {
      const startedAt = performance.now();
      await new Promise(setImmediate);
      longest = Math.max(longest, performance.now() - startedAt);
      memory = Math.max(memory, process.memoryUsage().rss - before);
      turns++;
      if (turns % 25 !== 0) continue;
      const response = await fetch(`http://127.0.0.1:${admin.port}/healthz`, {
        headers: { connection: 'close' },
      });
      assert.equal(await response.text(), 'ok');
      answered++;
    }
    // For the reader; a loaded machine takes longer.
    console.log(
      `      longest stop ${longest.toFixed(0)} ms, ${(memory / 1e6).toFixed(0)} MB, ${scrapes} of ${CONNECTIONS * REQUESTS} scrapes begun`,
    );
    assert.isAbove(scrapes, 0);
    assert.isBelow(scrapes, CONNECTIONS * REQUESTS);
    assert.isBelow(memory, MOST_MEMORY_BYTES);
  });
});
