import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import {
  type Bootstrap,
  connectionManagerOf,
  extProcOf,
  renderBootstrap,
  runtimeOf,
} from '../../demo/envoy.ts';
import { type EnvoyFile, envoyFile } from '../support/envoy.ts';

const template = (file: EnvoyFile) => readFile(envoyFile(file), 'utf8');

const endpoints = (bootstrap: Bootstrap) =>
  Object.fromEntries(
    bootstrap.static_resources.clusters
      .filter(({ load_assignment }) => load_assignment !== undefined)
      .map(({ name, load_assignment }) => [
        name,
        load_assignment?.endpoints.flatMap(({ lb_endpoints }) =>
          lb_endpoints.map(({ endpoint }) => Object.values(endpoint.address.socket_address)),
        ),
      ]),
  );

const wiring = { routers: ['127.0.0.1:1', '127.0.0.1:2'], pods: ['127.0.0.1:3', '[::1]:4'] };
const routers = [
  ['127.0.0.1', 1],
  ['127.0.0.1', 2],
];
const pods = [
  ['127.0.0.1', 3],
  ['::1', 4],
];

describe('rendering a bootstrap', () => {
  it('connects the clusters of warmroute.yaml', async () => {
    const bootstrap = renderBootstrap(await template('warmroute.yaml'), { ...wiring, collector: 'otel:5' });
    assert.deepEqual(endpoints(bootstrap), {
      warmroute_ext_proc: routers,
      llm_pods: pods,
      otel_collector: [['otel', 5]],
    });
    assert.property(connectionManagerOf(bootstrap), 'tracing');
  });

  it('connects the clusters of original-dst.yaml, but not those that have no endpoints', async () => {
    const bootstrap = renderBootstrap(await template('original-dst.yaml'), wiring);
    assert.deepEqual(endpoints(bootstrap), { warmroute_ext_proc: routers, llm_fallback: pods });
    const names = bootstrap.static_resources.clusters.map(({ name }) => name);
    assert.includeMembers(names, ['picked_then_fallback', 'picked_pod']);
  });

  it('listens on free ports of this machine only', async () => {
    const { admin, static_resources } = renderBootstrap(await template('aibrix.yaml'), wiring);
    const free = { socket_address: { address: '127.0.0.1', port_value: 0 } };
    assert.deepEqual([admin.address, static_resources.listeners[0]?.address], [free, free]);
  });

  it('has no tracing without a collector', async () => {
    const bootstrap = renderBootstrap(await template('warmroute.yaml'), wiring);
    assert.notInclude(JSON.stringify(bootstrap), 'otel_collector');
  });

  it('allows a cluster to have no endpoint', async () => {
    const bootstrap = renderBootstrap(await template('warmroute.yaml'), { routers: [], pods: [] });
    assert.deepEqual(endpoints(bootstrap), { warmroute_ext_proc: [], llm_pods: [] });
  });

  it('leaves the last word to the caller', async () => {
    const bootstrap = renderBootstrap(await template('aibrix.yaml'), {
      ...wiring,
      edit: bootstrap => {
        extProcOf(bootstrap).failure_mode_allow = false;
        runtimeOf(bootstrap)['some.guard'] = true;
        runtimeOf(bootstrap)['some.other'] = 1;
      },
    });
    assert.isFalse(extProcOf(bootstrap).failure_mode_allow);
    assert.deepEqual(bootstrap.layered_runtime, {
      layers: [{ name: 'static', static_layer: { 'some.guard': true, 'some.other': 1 } }],
    });
  });

  it('changes the runtime layer that is there', async () => {
    const bootstrap = renderBootstrap(await template('warmroute.yaml'), {
      ...wiring,
      edit: bootstrap => {
        runtimeOf(bootstrap)['envoy.reloadable_features.ext_proc_graceful_grpc_close'] = false;
      },
    });
    assert.lengthOf(bootstrap.layered_runtime?.layers ?? [], 1);
    assert.isFalse(runtimeOf(bootstrap)['envoy.reloadable_features.ext_proc_graceful_grpc_close']);
  });

  it('refuses an address without a port', async () => {
    const text = await template('warmroute.yaml');
    assert.throws(() => renderBootstrap(text, { ...wiring, pods: ['engine-0'] }), /engine-0/);
  });

  it('says what is missing in a bootstrap of another shape', () => {
    const listener = { filter_chains: [{ filters: [{ typed_config: { http_filters: [] } }] }] };
    const of = (listeners: unknown[]) => ({ static_resources: { listeners } }) as unknown as Bootstrap;
    assert.throws(() => connectionManagerOf(of([])), 'no HTTP connection manager');
    assert.throws(() => extProcOf(of([listener])), 'no ext_proc filter');
  });
});
