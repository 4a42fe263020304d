import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { parse } from 'yaml';
import type { Bootstrap } from '../../demo/envoy.ts';
import {
  ENVOY_TEST_TIMEOUT_MS,
  type EnvoyFile,
  envoyFile,
  envoyForTests,
  withEnvoy,
} from '../support/envoy.ts';
import { freePort } from '../support/free-port.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];

describe('The listener for statistics', function () {
  this.timeout(ENVOY_TEST_TIMEOUT_MS);
  before(() => envoyForTests());

  for (const file of FILES) {
    it(`shows two pages of an admin interface that is on loopback (${file})`, async () => {
      const shipped = parse(await readFile(envoyFile(file), 'utf8')) as Bootstrap;
      const { address, port_value } = shipped.admin.address.socket_address;
      assert.equal(address, '127.0.0.1');
      const stats = shipped.static_resources.listeners.find(({ name }) => name === 'stats')!;
      const admin = shipped.static_resources.clusters.find(({ name }) => name === 'envoy_admin')!;
      const reached = admin.load_assignment?.endpoints[0]?.lb_endpoints[0]?.endpoint.address.socket_address;
      assert.deepEqual(reached, { address, port_value });

      const [adminPort, statsPort] = [await freePort(), await freePort()];
      const edit = (bootstrap: Bootstrap) => {
        bootstrap.admin.address.socket_address.port_value = adminPort;
        reached!.port_value = adminPort;
        stats.address = { socket_address: { address: '127.0.0.1', port_value: statsPort } };
        bootstrap.static_resources.clusters.push(admin);
        bootstrap.static_resources.listeners.push(stats);
      };
      const nobody = `127.0.0.1:${await freePort()}`;
      await withEnvoy({ file, routers: [nobody], pods: [nobody], edit }, async () => {
        const asked = (path: string, method = 'GET') =>
          fetch(`http://127.0.0.1:${statsPort}${path}`, { method });
        const page = await asked('/stats/prometheus');
        assert.include(await page.text(), 'envoy_server_live{} 1');
        assert.equal((await (await asked('/ready')).text()).trim(), 'LIVE');
        for (const path of [
          '/',
          '/stats',
          '/clusters',
          '/config_dump',
          '/ready/../quitquitquit',
          '/quitquitquit',
        ]) {
          assert.equal((await asked(path, 'POST')).status, 404, path);
          assert.equal((await asked(path)).status, 404, path);
        }
        assert.equal((await asked('/ready', 'POST')).status, 404);
      });
    });
  }
});
