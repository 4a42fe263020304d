import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assert } from 'chai';
import { parse } from 'yaml';
import type { Bootstrap } from '../../demo/envoy.ts';
import { parsePodsFile } from '../../src/pods/pods-file.ts';
import { envoyFile } from '../support/envoy.ts';

interface Service {
  readonly command?: string | readonly string[];
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly networks?: Readonly<Record<string, { readonly aliases: readonly string[] }>>;
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
}

const run = promisify(execFile);

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
    assert.sameMembers(ports, [
      ...[10000, 8080, 9090, 3000, 16686].map(port => `127.0.0.1:${port}:${port}`),
      ...['127.0.0.1:10001:10000', '127.0.0.1:8081:8080'],
    ]);
  });

  describe('with the profile vllm', () => {
    const inProfile = () =>
      Object.entries(compose.services).filter(([, { profiles }]) => profiles?.includes('vllm'));

    it('has two vLLM, which the router is told of and Envoy knows by one name', async () => {
      const vllm = inProfile().filter(([name]) => /^vllm-\d$/.test(name));
      const pods = parsePodsFile(await projectFile('deploy/compose/pods-vllm.yaml'));
      if (pods.kind === 'invalid') assert.fail(JSON.stringify(pods.problems));
      assert.deepEqual(
        pods.specs.map(({ address }) => address),
        vllm.map(([name]) => name),
      );
      const { static_resources } = parse(await readFile(envoyFile('original-dst.yaml'), 'utf8')) as Bootstrap;
      const hosts = (cluster: string) =>
        static_resources.clusters
          .find(({ name }) => name === cluster)
          ?.load_assignment?.endpoints[0]?.lb_endpoints.map(
            ({ endpoint }) => endpoint.address.socket_address.address,
          );
      for (const [, { networks }] of vllm) assert.deepEqual(networks?.vllm?.aliases, hosts('llm_fallback'));
      assert.deepEqual(
        compose.services['warmroute-vllm']?.networks?.vllm?.aliases,
        hosts('warmroute_ext_proc'),
      );
    });

    it('has them announce what they hold, on the ports that the router is told', async () => {
      const pods = parsePodsFile(await projectFile('deploy/compose/pods-vllm.yaml'));
      if (pods.kind === 'invalid') assert.fail(JSON.stringify(pods.problems));
      const options = [...(compose.services['vllm-0']?.command ?? [])];
      const of = (name: string) =>
        options.find(each => each.startsWith(`--${name}=`))?.slice(name.length + 3);
      const events = JSON.parse(of('kv-events-config') ?? '') as Record<string, unknown>;
      const [{ kvEvents, models, port } = assert.fail('no pod')] = pods.specs.map(spec => ({
        ...spec,
        models: spec.model,
      }));
      if (kvEvents.kind !== 'zmq') assert.fail(kvEvents.kind);
      assert.deepEqual(events, {
        enable_kv_cache_events: true,
        publisher: 'zmq',
        endpoint: `tcp://*:${kvEvents.port}`,
        replay_endpoint: `tcp://*:${kvEvents.replayPort}`,
      });
      assert.deepEqual([of('port'), of('served-model-name')], [String(port), models]);
      assert.includeMembers(options, [
        '--enable-prefix-caching',
        '--enable-scale-out',
        '--enable-prompt-tokens-details',
      ]);
    });
  });

  it('starts what is in no profile, and nothing else by itself', () => {
    const started = Object.entries(compose.services).flatMap(([name, { profiles }]) =>
      profiles === undefined ? [name] : [],
    );
    assert.sameMembers(started, ['engine-0', 'engine-1', 'engine-2', 'warmroute', 'envoy', 'prometheus']);
  });

  for (const profile of [[], ['--profile', 'vllm'], ['--profile', 'observability']]) {
    it(`is valid for docker compose ${profile.join(' ')}`, async function () {
      this.timeout(20_000);
      const docker = [
        'compose',
        ...profile,
        '-f',
        fileURLToPath(new URL('../../docker-compose.yml', import.meta.url)),
      ];
      if (
        !(await run('docker', ['compose', 'version']).then(
          () => true,
          () => false,
        ))
      ) {
        console.warn('SKIPPED: docker-compose.yml is not checked by Compose, which is not here');
        this.skip();
      }
      const { stdout } = await run('docker', [...docker, 'config', '--services']);
      assert.equal(stdout.includes('vllm-0'), profile.includes('vllm'));
      assert.equal(stdout.includes('grafana'), profile.includes('observability'));
    });
  }
});
