/** What Envoy Gateway makes of deploy/envoy-gateway for Envoy, and what it says of it, beside what Warmroute needs. */
import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { parse } from 'yaml';
import { examineEnvoy } from '../../src/doctor/envoy/examine-envoy.ts';
import { countsOf } from '../../src/doctor/report.ts';
import { DESTINATION_ENDPOINT, TARGET_POD } from '../../src/extproc/headers.ts';
import { SETTINGS } from '../../src/settings/settings.ts';
import { aConfig } from '../support/builders.ts';
import { envoyFile, envoyForTests } from '../support/envoy.ts';
import { MODEL, startEngineFleet, withFleet } from '../support/fleet.ts';
import { type ChartValues, type Helm, helmForTests, run } from '../support/kube/helm.ts';
import { type Resource, theResource } from '../support/kube/xds.ts';
import { useXds } from '../support/kube/xds-bootstrap.ts';
import { type KubernetesObject, objectsIn, objectsOf } from '../support/manifests.ts';
import { kubeProgram } from './world/binaries.ts';

const PREFIX = 'The quick brown fox jumps over the lazy dog and runs into the deep forest. '.repeat(8);
const EXT_PROC = 'ExternalProcessor';
const MANAGER = 'HttpConnectionManager';
const PROTOCOL_OPTIONS = 'HttpProtocolOptions';
const FILTER = 'envoy.filters.http.ext_proc/envoyextensionpolicy/llm/warmroute/extproc/0';

describe('Envoy Gateway translates', function () {
  this.timeout(60_000);
  let egctl: string;
  let helm: Helm;

  before(async function () {
    const found = kubeProgram('egctl');
    const chart = await helmForTests();
    if (found === undefined || chart === undefined) {
      console.warn('SKIPPED: no policy of Envoy Gateway is translated, since there is no egctl or helm');
      return this.skip();
    }
    egctl = found;
    helm = chart;
  });

  /** Envoy's configuration. */
  const translate = async (policies: readonly KubernetesObject[]): Promise<Resource> => {
    const files = ['deploy/vllm/vllm.yaml', 'deploy/kubernetes/warmroute.yaml'];
    const services = (await Promise.all(files.map(objectsOf)))
      .flat()
      .filter(({ kind }) => kind === 'Service');
    const objects = [
      ...(await objectsOf('deploy/envoy-gateway/gateway.yaml')),
      ...policies,
      // Offline it routes to Services, for which the API server would have chosen an address.
      ...services.map(service => ({ ...service, spec: { ...service.spec, clusterIP: '10.96.0.10' } })),
    ];
    const input = objects.map(object => JSON.stringify(object)).join('\n---\n');
    const args = ['x', 'translate', '--from', 'gateway-api', '--to', 'xds', '-o', 'json', '-f', '-'];
    const { code, stdout, stderr } = await run(egctl, args, input);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  /** Of the chart. */
  const policiesFor = async (values: ChartValues): Promise<readonly KubernetesObject[]> => {
    const { code, stdout, stderr } = await helm.template(
      values,
      '--show-only',
      'templates/envoy-gateway.yaml',
    );
    assert.equal(code, 0, stderr);
    return objectsIn(stdout);
  };

  describe('deploy/envoy-gateway to what envoy/warmroute.yaml says', () => {
    let xds: Resource;
    let ours: Resource;

    before(async () => {
      xds = await translate(await objectsOf('deploy/envoy-gateway/policies.yaml'));
      ours = parse(await readFile(envoyFile('warmroute.yaml'), 'utf8'));
    });

    it('of the filter: how bodies are sent, how long it waits, and what becomes of requests without a router', () => {
      const [filter, wanted] = [theResource(EXT_PROC, xds), theResource(EXT_PROC, ours)];
      assert.include(filter.processingMode, {
        requestHeaderMode: wanted.processing_mode.request_header_mode,
        requestBodyMode: wanted.processing_mode.request_body_mode,
        requestTrailerMode: wanted.processing_mode.request_trailer_mode,
        // Envoy Gateway has no way to hold the stream without any part of the response.
        responseHeaderMode: 'SEND',
        responseTrailerMode: 'SKIP',
      });
      assert.notProperty(filter.processingMode, 'responseBodyMode', 'NONE');
      assert.equal(filter.messageTimeout, wanted.message_timeout);
      assert.equal(filter.failureModeAllow, wanted.failure_mode_allow);
      assert.equal(filter.allowModeOverride, wanted.allow_mode_override);
      assert.deepEqual(filter.responseAttributes, wanted.response_attributes);
      assert.includeMembers(
        filter.metadataOptions.receivingNamespaces.untyped,
        wanted.metadata_options.receiving_namespaces.untyped,
      );
      assert.equal(filter.grpcService.retryPolicy.retryOn, wanted.grpc_service.retry_policy.retry_on);
    });

    it('of the listener: the largest body, and the headers that are removed', () => {
      const listener = theResource('Listener', xds, 'llm/llm/http');
      const [wanted] = ours.static_resources.listeners;
      assert.equal(listener.perConnectionBufferLimitBytes, wanted.per_connection_buffer_limit_bytes);
      assert.equal(String(listener.perConnectionBufferLimitBytes), SETTINGS.maxBodyBytes.fallback);
      const removed = (of: Resource) =>
        theResource('HeaderMutation', of).mutations.map(({ remove }: { remove: string }) => remove);
      assert.sameMembers(removed(listener), removed(wanted));
    });

    it('of the route: the filter is on, generations are not cut, and what is sent again', () => {
      const [route] = theResource('RouteConfiguration', xds).virtualHosts[0].routes;
      assert.property(route.typedPerFilterConfig, FILTER);
      const [{ routes }] = theResource(MANAGER, ours.static_resources.listeners[0]).route_config
        .virtual_hosts;
      const wanted = routes[0];
      assert.equal(route.match.safeRegex.regex, wanted.match.safe_regex.regex);
      assert.equal(route.route.timeout, wanted.route.timeout);
      assert.equal(route.route.idleTimeout, wanted.route.idle_timeout);
      assert.equal(route.route.retryPolicy.retryOn, wanted.route.retry_policy.retry_on);
      assert.deepEqual(
        route.route.retryPolicy.retriableStatusCodes,
        wanted.route.retry_policy.retriable_status_codes,
      );
    });

    it('of the router’s cluster: limits, dead replicas, and connections that are recycled', () => {
      const cluster = theResource('Cluster', xds, 'envoyextensionpolicy/llm/warmroute/extproc/0');
      const wanted = clusterOf(ours, 'warmroute_ext_proc');
      const [limits] = cluster.circuitBreakers.thresholds;
      const [wantedLimits] = wanted.circuit_breakers.thresholds;
      assert.equal(limits.maxRequests, wantedLimits.max_requests);
      assert.equal(limits.maxConnections, wantedLimits.max_connections);
      // In the name of the cluster: every replica would fail it.
      assert.notProperty(cluster, 'healthChecks');
      assert.equal(
        cluster.outlierDetection.consecutiveGatewayFailure,
        wanted.outlier_detection.consecutive_gateway_failure,
      );
      assert.deepEqual(cluster.commonLbConfig.healthyPanicThreshold, {}, '0');
      const common = theResource(PROTOCOL_OPTIONS, cluster).commonHttpProtocolOptions;
      const wantedCommon = theResource(PROTOCOL_OPTIONS, wanted).common_http_protocol_options;
      assert.equal(common.maxRequestsPerConnection, wantedCommon.max_requests_per_connection);
      assert.isBelow(Number.parseFloat(common.idleTimeout) * 1000, Number(SETTINGS.grpcIdleMs.fallback));
    });

    it('of the engines’ cluster: the pod that the router names, if Envoy knows it', () => {
      const cluster = theResource('Cluster', xds, 'httproute/llm/llm/rule/0');
      const policy = theResource('OverrideHost', cluster);
      const headers = policy.overrideHostSources.map(({ header }: { header: string }) => header);
      assert.sameMembers(headers, [DESTINATION_ENDPOINT, TARGET_POD]);
      assert.isNotEmpty(policy.fallbackPolicy.policies);
      const wanted = clusterOf(ours, 'llm_pods');
      assert.equal(
        theResource(PROTOCOL_OPTIONS, cluster).commonHttpProtocolOptions.idleTimeout,
        theResource(PROTOCOL_OPTIONS, wanted).common_http_protocol_options.idle_timeout,
      );
    });

    it('in which the doctor finds nothing wrong', async () => {
      const dump = { kind: 'dump', name: 'envoy-gateway', content: JSON.stringify(xds) } as const;
      const sections = await examineEnvoy(dump, aConfig({}), new AbortController().signal);
      assert.isAbove(countsOf(sections).ok, 10);
      assert.include(countsOf(sections), { warn: 0, fail: 0 });
    });

    it('of the bootstrap: streams are ended by half-close', () => {
      const [layer] = theResource('BootstrapConfigDump', xds).bootstrap.layeredRuntime.layers;
      assert.isTrue(layer.staticLayer['envoy.reloadable_features.ext_proc_graceful_grpc_close']);
    });
  });

  const streamed = { enabled: true, gateway: 'llm', body: 'FullDuplexStreamed', failOpen: false };
  const ROUTED_BY: Readonly<Record<string, () => Promise<readonly KubernetesObject[]>>> = {
    'deploy/envoy-gateway': () => objectsOf('deploy/envoy-gateway/policies.yaml'),
    'streamed bodies': () => policiesFor({ envoyGateway: streamed }),
  };
  for (const [what, policies] of Object.entries(ROUTED_BY)) {
    it(`${what} to what a real Envoy routes by`, async () => {
      const xds = await translate(await policies());
      await envoyForTests();
      await withFleet(startEngineFleet({ edit: bootstrap => useXds(bootstrap, xds) }), async fleet => {
        const ask = async (prompt: string, headers?: Readonly<Record<string, string>>) => {
          const body = { model: MODEL, prompt, max_tokens: 4 };
          const { status, decision } = await fleet.post('/v1/completions', body, headers);
          assert.equal(status, 200);
          await fleet.indexed();
          return decision!;
        };
        const { pod, reason } = await ask(PREFIX);
        assert.equal(reason, 'no_match');
        assert.include(await ask(`${PREFIX} again`), { pod, reason: 'prefix_match' });
        // A client's own choice of the pod, and a body beyond Envoy Gateway's usual limit of 32 KiB.
        const other = fleet.engines.find(({ name }) => name !== pod);
        const address = other!.url.replace('http://', '');
        const forged = { 'target-pod': address, 'x-gateway-destination-endpoint': address };
        const large = `${PREFIX} ${'long '.repeat(10_000)}`;
        assert.include(await ask(large, forged), { pod, reason: 'prefix_match' });
        assert.lengthOf(other!.requests, 0);
      });
    });
  }

  it('streamed bodies to what envoy/endpoint-picker.yaml says', async () => {
    const config = { WARMROUTE_DECISION_TIMEOUT_MS: 2000 };
    const policies = await policiesFor({ envoyGateway: streamed, config });
    const filter = theResource(EXT_PROC, await translate(policies));
    const wanted = theResource(EXT_PROC, parse(await readFile(envoyFile('endpoint-picker.yaml'), 'utf8')));
    assert.deepEqual(filter.processingMode, {
      requestHeaderMode: wanted.processing_mode.request_header_mode,
      requestBodyMode: wanted.processing_mode.request_body_mode,
      requestTrailerMode: wanted.processing_mode.request_trailer_mode,
      responseHeaderMode: wanted.processing_mode.response_header_mode,
      responseBodyMode: wanted.processing_mode.response_body_mode,
      responseTrailerMode: wanted.processing_mode.response_trailer_mode,
    });
    assert.notProperty(filter, 'failureModeAllow', 'false');
    assert.equal(filter.statusOnError.code, wanted.status_on_error.code);
    assert.equal(filter.messageTimeout, '2.200s');
  });

  it('nothing that is wrong', async () => {
    const wrong = structuredClone(await objectsOf('deploy/envoy-gateway/policies.yaml'));
    const policy = wrong.find(({ kind }) => kind === 'EnvoyExtensionPolicy');
    policy!.spec.extProc[0].processingMode.request.body = 'Bufferd';
    const error = await translate(wrong).catch((cause: Error) => cause);
    assert.instanceOf(error, Error);
    assert.match(error.message, /Bufferd/);
  });
});

function clusterOf(bootstrap: Resource, name: string): Resource {
  return bootstrap.static_resources.clusters.find((cluster: Resource) => cluster.name === name);
}
