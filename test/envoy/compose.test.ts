import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { parse } from 'yaml';
import type { Bootstrap } from '../../demo/envoy.ts';
import { parsePodsFile } from '../../src/pods/pods-file.ts';
import { envoyFile } from '../support/envoy.ts';

interface ComposeFile {
  services: Record<string, { command?: string; ports?: string[] }>;
}

const projectFile = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('docker-compose.yml', () => {
  let compose: ComposeFile;

  before(async () => {
    compose = parse(await projectFile('docker-compose.yml'), { merge: true }) as ComposeFile;
  });

  it('has the engines that the router and Envoy are told of', async () => {
    const engines = Object.keys(compose.services).filter(name => name.startsWith('engine-'));
    const pods = parsePodsFile(await projectFile('deploy/compose/pods.yaml'));
    if (pods.kind === 'invalid') assert.fail(JSON.stringify(pods.problems));
    assert.deepEqual(
      pods.specs.map(({ address, port }) => `${address}:${port}`),
      engines.map(name => `${name}:8000`),
    );
    const { static_resources } = parse(await readFile(envoyFile('warmroute.yaml'), 'utf8')) as Bootstrap;
    const known = static_resources.clusters.find(({ name }) => name === 'llm_pods')?.load_assignment;
    assert.deepEqual(
      known?.endpoints[0]?.lb_endpoints.map(({ endpoint }) => endpoint.address.socket_address.address),
      engines,
    );
    const scraped = await projectFile('deploy/compose/prometheus.yml');
    for (const engine of engines) {
      assert.include(compose.services[engine]?.command, `--name ${engine} `);
      assert.include(scraped, `${engine}:8000`);
    }
  });

  it('publishes ports on this machine only', () => {
    const ports = Object.values(compose.services).flatMap(({ ports = [] }) => ports);
    assert.sameMembers(
      ports,
      [10000, 8080, 9090].map(port => `127.0.0.1:${port}:${port}`),
    );
  });
});
