import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { assert } from 'chai';
import type { Environment } from '../src/config.ts';
import { PodsFileError } from '../src/pods/pods-file-follower.ts';
import { serve } from '../src/serve.ts';
import { aConfig, recordingLog } from './support/builders.ts';
import { closedAddress } from './support/envoy-upstream.ts';
import { eventually } from './support/eventually.ts';
import { FakeEnvoy } from './support/fake-envoy.ts';
import { routed, ServeBench, WITH_EVENTS } from './support/serve-bench.ts';

describe('the server', function () {
  // Engines, sockets and files are real.
  this.timeout(20_000);

  let bench: ServeBench;

  beforeEach(async () => {
    bench = await ServeBench.open();
  });
  afterEach(() => bench.stop());

  describe('leaves nothing open', () => {
    const listeners = () =>
      process
        .getActiveResourcesInfo()
        .filter(kind => /TCP|Timeout|FSEvent/.test(kind))
        .sort();

    async function nothingLeft(before: readonly string[]): Promise<void> {
      await eventually('what was open is closed', () => listeners().join() === before.join());
    }

    async function failureOf(environment: Environment): Promise<Error> {
      const error: unknown = await bench.start(environment).then(
        () => undefined,
        reason => reason,
      );
      assert.instanceOf(error, Error);
      return error;
    }

    it('when the pods file is wrong', async () => {
      await writeFile(bench.podsFile, 'pods: no');
      const before = listeners();
      assert.instanceOf(await failureOf(WITH_EVENTS), PodsFileError);
      await nothingLeft(before);
    });

    for (const name of ['WARMROUTE_GRPC_ADDRESS', 'WARMROUTE_ADMIN_ADDRESS']) {
      it(`when the port of ${name} is taken; it does not drain first`, async () => {
        await bench.writePods(await bench.startEngines(1));
        const other = createServer().listen(0, '127.0.0.1');
        await once(other, 'listening');
        bench.atEnd(() => void other.close());
        const before = listeners();
        const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`;
        const error = await failureOf({ ...WITH_EVENTS, WARMROUTE_DRAIN_MS: '600000', [name]: taken });
        assert.include(error.message, `cannot listen on ${name}: `);
        assert.include(error.message, 'EADDRINUSE');
        await nothingLeft(before);
      });
    }

    it('when its start is ended while the pods file hangs', async () => {
      await promisify(execFile)('mkfifo', [bench.podsFile]);
      const before = listeners();
      const ending = new AbortController();
      const config = aConfig({
        ...{ ...WITH_EVENTS, WARMROUTE_DRAIN_MS: '600000' },
        ...{ WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0', WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:0' },
      });
      const { log } = recordingLog();
      const starting = serve({ ...config, podsFile: bench.podsFile }, { log, ending: ending.signal });
      // Resolves when the server has it open.
      const writer = await open(bench.podsFile, 'w');
      ending.abort('SIGTERM');
      assert.equal(await starting.catch(reason => reason), 'SIGTERM');
      await writer.close();
      await nothingLeft(before);
    });

    it('when its start is ended before it begins', async () => {
      await bench.writePods([]);
      const before = listeners();
      const { log } = recordingLog();
      const parts = { log, ending: AbortSignal.abort('SIGINT') };
      const starting = serve({ ...aConfig(), podsFile: bench.podsFile }, parts);
      assert.equal(await starting.catch(reason => reason), 'SIGINT');
      await nothingLeft(before);
    });

    it('when it is stopped, however often that is asked for', async () => {
      const engines = await bench.startEngines(2);
      await bench.writePods(engines);
      const before = listeners();
      const { log } = recordingLog();
      const [grpcAddress, adminAddress] = [await closedAddress(), await closedAddress()];
      const config = aConfig({
        ...{ ...WITH_EVENTS, WARMROUTE_DRAIN_MS: '0' },
        ...{ WARMROUTE_GRPC_ADDRESS: grpcAddress, WARMROUTE_ADMIN_ADDRESS: adminAddress },
      });
      const server = await serve({ ...config, podsFile: bench.podsFile }, { log });
      const envoy = new FakeEnvoy(server.grpcPort);
      await routed(envoy);
      envoy.close();
      await Promise.all([server.stop(), server.stop()]);
      await server.stop();
      await nothingLeft(before);
      // The same addresses can be had again.
      const again = await serve({ ...config, podsFile: bench.podsFile }, { log });
      await again.stop();
    });
  });
});
