/** What docker-compose.yml has of versions, files, and of the profile `observability`. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { parse } from 'yaml';
import { PROJECT } from '../../scripts/chart/files.ts';
import { dashboardFiles } from '../../scripts/dashboards/dashboards.ts';

interface Service {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** `host path:path in the container[:ro]`. */
  readonly volumes?: readonly string[];
}

const read = async (path: string) => parse(await readFile(`${PROJECT}${path}`, 'utf8'), { merge: true });

describe('docker-compose.yml', () => {
  let services: Readonly<Record<string, Service>>;
  before(async () => {
    ({ services } = await read('docker-compose.yml'));
  });

  it('says which version of each image', () => {
    for (const [name, { image }] of Object.entries(services))
      assert.match(image, /:(local$|.*\d)/, `${name} has whatever is newest`);
  });

  it('mounts what there is', () => {
    for (const [name, { volumes = [] }] of Object.entries(services))
      for (const [path] of volumes.map(volume => volume.split(':')))
        if (path!.startsWith('./')) assert.isTrue(existsSync(`${PROJECT}${path}`), `${name}: ${path}`);
  });

  describe('with the profile observability', () => {
    const mountedAt = ({ volumes = [] }: Service, path: string) =>
      volumes.map(volume => volume.split(':')).find(([, target]) => target === path)?.[0];

    it('has the dashboards in Grafana, and the first one as its home', async () => {
      const grafana = services.grafana!;
      const [provider] = (await read('deploy/compose/grafana/dashboards.yaml')).providers;
      assert.equal(mountedAt(grafana, provider.options.path), './deploy/grafana');
      const home = grafana.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH;
      const files = Object.keys(dashboardFiles()).map(path =>
        path.replace(`${PROJECT}deploy/grafana`, provider.options.path),
      );
      assert.equal(home, files[0]);
    });

    it('has Grafana look where Prometheus and Jaeger listen', async () => {
      const { datasources } = await read('deploy/compose/grafana/datasources.yaml');
      const hosts = datasources.map(({ url }: { url: string }) => new URL(url).hostname);
      assert.sameMembers(hosts, ['prometheus', 'jaeger']);
      for (const host of hosts) assert.property(services, host);
      const { global } = await read('deploy/compose/prometheus.yml');
      assert.equal(datasources[0].jsonData.timeInterval, global.scrape_interval);
    });

    it('takes the spans of Envoy and of the router', async () => {
      const { receivers, exporters } = await read('deploy/compose/otel-collector.yaml');
      const { port } = new URL(`http://${receivers.otlp.protocols.grpc.endpoint}`);
      const collector = 'otel-collector';
      assert.property(services, collector);
      assert.equal(
        services.warmroute?.environment?.OTEL_EXPORTER_OTLP_ENDPOINT,
        `http://${collector}:${port}`,
      );
      const { static_resources } = await read('envoy/warmroute.yaml');
      const cluster = static_resources.clusters.find(
        ({ name }: { name: string }) => name === 'otel_collector',
      );
      const { endpoint } = cluster.load_assignment.endpoints[0].lb_endpoints[0];
      assert.deepEqual(endpoint.address.socket_address, { address: collector, port_value: Number(port) });
      assert.property(services, exporters.otlp_grpc.endpoint.split(':')[0]);
    });
  });
});
