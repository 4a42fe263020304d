/** What Envoy Gateway's own controller says of deploy/envoy-gateway, on a real API server. */
import { assert } from 'chai';
import { PROJECT } from '../../scripts/chart/files.ts';
import { eventually } from '../support/eventually.ts';
import { type Controller, startController, whyNoController } from '../support/kube/envoy-gateway.ts';
import { type KubernetesObject, objectsOf } from '../support/manifests.ts';
import { kubeProgram } from './world/binaries.ts';
import { ControlPlane } from './world/control-plane.ts';

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message: string;
}

const STATUS_MS = 30_000;

describe('Envoy Gateway’s controller', function () {
  this.timeout(180_000);
  let plane: ControlPlane | undefined;
  let controller: Controller | undefined;

  before(async function () {
    const gateway = kubeProgram('envoy-gateway');
    let why = await whyNoController(gateway);
    plane = why === undefined ? await ControlPlane.start() : undefined;
    why ??= plane === undefined ? 'there is no kube-apiserver or kubectl' : undefined;
    if (plane === undefined) {
      console.warn(`SKIPPED: the controller of Envoy Gateway is not asked, since ${why}`);
      return this.skip();
    }
    await plane.applyCrds();
    for (const namespace of ['llm', 'envoy-gateway-system'])
      await plane.mustKubectl(['create', 'namespace', namespace]);
    controller = await startController(gateway!, plane.kubeconfig);
    const files = ['envoy-gateway/gateway', 'envoy-gateway/policies', 'kubernetes/warmroute', 'vllm/vllm'];
    for (const file of files) await plane.mustKubectl(['apply', '-f', `${PROJECT}deploy/${file}.yaml`]);
    await plane.mustKubectl(['apply', '-f', '-'], ready('warmroute', 'grpc', 50052));
    await plane.mustKubectl(['apply', '-f', '-'], ready('vllm', 'http', 8000));
  });

  after(async () => {
    await controller?.stop();
    await plane?.stop();
  });

  const conditionsOf = async (kind: string, name: string): Promise<readonly Condition[]> => {
    const text = await plane!.mustKubectl(['get', kind, name, '-n', 'llm', '-o', 'json']);
    const { status = {} } = JSON.parse(text);
    const sources = [
      status,
      ...(status.ancestors ?? []),
      ...(status.parents ?? []),
      ...(status.listeners ?? []),
    ];
    return sources.flatMap(({ conditions = [] }) => conditions);
  };
  const says = (kind: string, name: string, type: string) =>
    eventually(
      `${type} of ${kind} ${name}; it said:\n${controller?.log}`,
      async () =>
        (await conditionsOf(kind, name)).find(
          condition => condition.type === type && condition.status !== 'Unknown',
        ),
      STATUS_MS,
    );
  const takes = async (kind: string, name: string, ...types: readonly string[]) => {
    for (const type of types) {
      const { status, message } = await says(kind, name, type);
      assert.equal(status, 'True', message);
    }
  };

  it('accepts the GatewayClass', () => takes('gatewayclass', 'llm', 'Accepted'));
  it('accepts the Gateway', () => takes('gateway', 'llm', 'Accepted', 'ResolvedRefs'));
  it('accepts the HTTPRoute, and finds the engines', () =>
    takes('httproute', 'llm', 'Accepted', 'ResolvedRefs'));
  for (const kind of ['envoyextensionpolicy', 'backendtrafficpolicy', 'clienttrafficpolicy'])
    it(`accepts the ${kind}`, () => takes(kind, 'warmroute', 'Accepted'));

  it('would refuse a policy whose Service does not exist', async () => {
    const policies = await objectsOf('deploy/envoy-gateway/policies.yaml');
    const policy = structuredClone(policies.find(({ kind }) => kind === 'EnvoyExtensionPolicy'));
    policy!.spec.extProc[0].backendRefs[0].name = 'somebody';
    const lost: KubernetesObject = { ...policy!, metadata: { name: 'lost', namespace: 'llm' } };
    const route = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'lost' };
    const [http] = (await objectsOf('deploy/envoy-gateway/gateway.yaml')).filter(
      ({ kind }) => kind === 'HTTPRoute',
    );
    const items = [
      { ...http, metadata: { name: 'lost', namespace: 'llm' } },
      { ...lost, spec: { ...lost.spec, targetRefs: [route] } },
    ];
    await plane!.mustKubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    const { status, message } = await says('envoyextensionpolicy', 'lost', 'Accepted');
    assert.equal(status, 'False');
    assert.include(message, 'somebody');
  });
});

/** What a controller that is not there would say: one endpoint of a Service is ready. */
function ready(service: string, port: string, number: number): string {
  return JSON.stringify({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: service, namespace: 'llm', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: port, port: number, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
  });
}
