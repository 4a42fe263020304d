import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { assert } from 'chai';
import { parse } from 'yaml';
import { alertRules } from '../../scripts/alert-rules.ts';
import { ALERTS } from '../../scripts/alerts.ts';
import { PROJECT } from '../../scripts/chart/files.ts';
import { findHelm, RENDERED, render } from '../../scripts/chart/render.ts';
import { dashboardFiles } from '../../scripts/dashboards/dashboards.ts';
import { USES } from '../support/kube/chart-values.ts';
import { type ChartValues, type Helm, helmForTests, type Ran } from '../support/kube/helm.ts';
import { type Container, type KubernetesObject, objectsIn } from '../support/manifests.ts';

/** What is wrong, the values, and what the message must say. */
type Refused = readonly [string, ChartValues, RegExp];

/** By the schema. */
const MISWRITTEN: readonly Refused[] = [
  ['a misspelt value', { replicaCout: 3 }, /additional properties 'replicaCout' not allowed/],
  ['a misspelt value inside another', { image: { tags: 'x' } }, /'\/image'.*'tags' not allowed/],
  ['a misspelt setting', { config: { WARMROUTE_DRAINMS: 1 } }, /'\/config'.*'WARMROUTE_DRAINMS' not allowed/],
  [
    'a misspelt setting of AIBrix',
    { config: { AIBRIX_USE_REMOTE_TOKENISER: true } },
    /'AIBRIX_USE_REMOTE_TOKENISER' not allowed/,
  ],
  ['a number in quotes', { config: { WARMROUTE_DRAIN_MS: '5000' } }, /WARMROUTE_DRAIN_MS'.*want.*integer/],
  [
    'a number out of bounds',
    { config: { WARMROUTE_MAX_BODY_BYTES: 10 } },
    /WARMROUTE_MAX_BODY_BYTES'.*1,?024/,
  ],
  [
    'a switch in quotes',
    { config: { AIBRIX_KV_EVENT_SYNC_ENABLED: 'true' } },
    /AIBRIX_KV_EVENT_SYNC_ENABLED'.*want.*boolean/,
  ],
  [
    'a choice that there is not',
    { config: { WARMROUTE_UNSAID_BODY_MODE: 'STREAMED' } },
    /WARMROUTE_UNSAID_BODY_MODE'.*one of 'BUFFERED'/,
  ],
  ['an address without a port', { config: { WARMROUTE_GRPC_ADDRESS: '0.0.0.0' } }, /WARMROUTE_GRPC_ADDRESS'/],
  ['a port out of bounds', { service: { grpcPort: 70000 } }, /'\/service\/grpcPort'.*65,?535/],
  ['a label that is no text', { podLabels: { a: 1 } }, /'\/podLabels\/a'.*want string/],
  [
    'a label that is the chart’s own',
    { prometheusRule: { labels: { 'app.kubernetes.io/name': 'x' } } },
    /invalid propertyName 'app.kubernetes.io\/name'/,
  ],
  [
    'a label that Prometheus does not take',
    { prometheusRule: { alertLabels: { 'my-label': 'x' } } },
    /'\/prometheusRule\/alertLabels'.*'my-label' not allowed/,
  ],
  [
    'an alert that there is not',
    { prometheusRule: { disabled: ['WarmrouteMissing'] } },
    /'\/prometheusRule\/disabled\/0'.*one of/,
  ],
  ['a label that there cannot be', { zone: { podLabel: "a']" } }, /'\/zone\/podLabel'.*pattern/],
  ['nine ports of a pool', { inferencePool: { targetPorts: [1, 2, 3, 4, 5, 6, 7, 8, 9] } }, /maxItems/],
];

/** By the templates, which `helm lint` lets pass. */
const CONTRADICTIONS: readonly Refused[] = [
  [
    'less time than a drain takes',
    { terminationGracePeriodSeconds: 30 },
    /terminationGracePeriodSeconds is 30, but a drain may take 35 s/,
  ],
  [
    'gRPC probes of a TLS port',
    { probes: { by: 'grpc' }, inferencePool: { create: true } },
    /set config\.WARMROUTE_HEALTH_ADDRESS, or probes\.by to http/,
  ],
  ['TLS without certificates', { config: { WARMROUTE_TLS: 'files' } }, /set tls\.secretName/],
  [
    'certificates that are not used',
    { tls: { secretName: 'a' }, config: { WARMROUTE_TLS: 'off' } },
    /tls\.secretName is set, but config\.WARMROUTE_TLS is off/,
  ],
  [
    'failing open with streamed bodies',
    { envoyGateway: { enabled: true, body: 'FullDuplexStreamed' } },
    /envoyGateway\.failOpen must be false/,
  ],
  [
    'TLS that Envoy Gateway knows nothing of',
    { envoyGateway: { enabled: true }, config: { WARMROUTE_TLS: 'self-signed' } },
    /set envoyGateway\.caConfigMap, or config\.WARMROUTE_TLS to off/,
  ],
  [
    'pods that are not looked for',
    { pods: [{ name: 'a' }], config: { WARMROUTE_DISCOVERY: 'kubernetes' } },
    /WARMROUTE_PODS_FILE is set .* is kubernetes: add file/,
  ],
  [
    'a pool that is not followed',
    { inferencePool: { create: true }, config: { WARMROUTE_DISCOVERY: 'kubernetes' } },
    /WARMROUTE_INFERENCE_POOL is set .* is kubernetes: add inference-pool/,
  ],
  [
    'a pods file that is not there',
    { config: { WARMROUTE_DISCOVERY: 'file' } },
    /WARMROUTE_DISCOVERY is file, but WARMROUTE_PODS_FILE is not set/,
  ],
  [
    'events without the engines’ tokenizer',
    { config: { AIBRIX_USE_REMOTE_TOKENIZER: false } },
    /AIBRIX_KV_EVENT_SYNC_ENABLED needs config\.AIBRIX_USE_REMOTE_TOKENIZER/,
  ],
  [
    'a token of a hub that is not asked',
    { tokenizers: { hubTokenSecretName: 'hub' } },
    /tokenizers\.hub is false: set it to true/,
  ],
  [
    'two spellings of a switch that disagree',
    { config: { AIBRIX_PREFIX_CACHE_KV_EVENT_SYNC_ENABLED: false } },
    /contradict each other: set the first/,
  ],
  [
    'fewer replicas at most than at least',
    { autoscaling: { enabled: true, minReplicas: 9 } },
    /autoscaling\.minReplicas is above/,
  ],
];

describe('the Helm chart', function () {
  this.timeout(60_000);
  let helm: Helm;

  before(async function () {
    const found = await helmForTests();
    if (found === undefined) {
      console.warn('SKIPPED: the chart is not rendered, since there is no helm');
      return this.skip();
    }
    helm = found;
  });

  const objects = async (values: ChartValues): Promise<readonly KubernetesObject[]> => {
    const { code, stdout, stderr } = await helm.template(values);
    assert.equal(code, 0, stderr);
    return objectsIn(stdout);
  };
  const only = async (kind: string, values: ChartValues): Promise<KubernetesObject> => {
    const found = (await objects(values)).filter(object => object.kind === kind);
    assert.lengthOf(found, 1, kind);
    return found[0]!;
  };
  const deployed = async (values: ChartValues) => {
    const { template } = (await only('Deployment', values)).spec;
    const container = template.spec.containers[0] as Container;
    return { pod: template.spec, container, env: environmentOf(container) };
  };

  describe('passes helm lint --strict', () => {
    for (const [use, values] of Object.entries(USES)) {
      it(use, async () => {
        const { code, stdout, stderr } = await helm.lint(values);
        assert.equal(code, 0, stdout + stderr);
      });
    }
  });

  describe('refuses', () => {
    const refuses = (message: RegExp, { code, stdout, stderr }: Ran) => {
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, message);
    };
    for (const [what, values, message] of MISWRITTEN) {
      it(what, async () => {
        refuses(message, await helm.lint(values));
        refuses(message, await helm.template(values));
      });
    }
    for (const [what, values, message] of CONTRADICTIONS)
      it(what, async () => refuses(message, await helm.template(values)));
  });

  it('is what deploy/ was rendered from: run `npm run render` after a change', async () => {
    const binary = await findHelm();
    for (const rendered of RENDERED)
      assert.equal(
        await readFile(`${PROJECT}${rendered.path}`, 'utf8'),
        await render(binary!, rendered),
        rendered.path,
      );
  });

  it('writes numbers and switches as the program reads them', async () => {
    const { env } = await deployed(USES['with everything']!);
    assert.include(env, {
      WARMROUTE_MAX_BODY_BYTES: '67108864',
      AIBRIX_USE_REMOTE_TOKENIZER: 'true',
      WARMROUTE_TLS: 'files',
      WARMROUTE_TLS_CERT_FILE: '/etc/warmroute/tls/tls.crt',
      WARMROUTE_TLS_CLIENT_CA_FILE: '/etc/warmroute/tls/ca.crt',
    });
    const { env: without } = await deployed({ config: { AIBRIX_KV_EVENT_SYNC_ENABLED: null } });
    assert.notProperty(without, 'AIBRIX_KV_EVENT_SYNC_ENABLED');
  });

  it('takes each replica’s zone from a label of its pod, unless it is told the zone, or that there is none', async () => {
    const zone = async (values: ChartValues) =>
      (await deployed(values)).container.env.find(({ name }) => name === 'WARMROUTE_ZONE');
    const fieldPath = (label: string) => ({ fieldRef: { fieldPath: `metadata.labels['${label}']` } });
    assert.deepEqual((await zone({}))?.valueFrom, fieldPath('topology.kubernetes.io/zone'));
    assert.deepEqual((await zone({ zone: { podLabel: 'rack' } }))?.valueFrom, fieldPath('rack'));
    assert.deepEqual(await zone({ config: { WARMROUTE_ZONE: 'a' } }), { name: 'WARMROUTE_ZONE', value: 'a' });
    assert.isUndefined(await zone({ zone: { podLabel: '' } }));
  });

  it('gives a drain its time, whatever that is', async () => {
    const { pod } = await deployed({
      config: { WARMROUTE_DRAIN_MS: 7001, WARMROUTE_DRAIN_BODIES_MS: 120000 },
    });
    assert.equal(pod.terminationGracePeriodSeconds, 128 + 10);
    const { pod: longer } = await deployed({ terminationGracePeriodSeconds: 300 });
    assert.equal(longer.terminationGracePeriodSeconds, 300);
  });

  describe('looks for pods', () => {
    const SOURCES: readonly (readonly [string, ChartValues, string])[] = [
      ['by label, when nothing else is said', {}, 'kubernetes'],
      ['in a file', { pods: [{ name: 'a' }] }, 'file'],
      ['in a pool that it makes', { inferencePool: { create: true } }, 'inference-pool'],
      ['in a file and a pool', { pods: [{}], inferencePool: { create: true } }, 'file,inference-pool'],
      [
        'as config says',
        { pods: [{}], config: { WARMROUTE_DISCOVERY: 'kubernetes,file' } },
        'kubernetes,file',
      ],
    ];
    for (const [where, values, sources] of SOURCES)
      it(where, async () => assert.equal((await deployed(values)).env.WARMROUTE_DISCOVERY, sources));
  });

  describe('may read', () => {
    const PODS = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] };
    const POOLS = { ...PODS, apiGroups: ['inference.networking.k8s.io'], resources: ['inferencepools'] };
    const RIGHTS: readonly (readonly [string, ChartValues, Readonly<Record<string, object[]>>])[] = [
      ['pods of its own namespace', {}, { llm: [PODS] }],
      ['pods of the namespaces it is told', USES['with everything']!, { 'team-a': [PODS], 'team-b': [PODS] }],
      ['pods everywhere', USES['for all namespaces']!, { '*': [PODS] }],
      ['a pool and its pods', USES['as an endpoint picker']!, { llm: [PODS, POOLS] }],
      [
        'a pool elsewhere, and pods of its own namespace',
        USES['with a pool of somebody else, and pods by label']!,
        { llm: [PODS], models: [PODS, POOLS] },
      ],
      ['nothing with pods from a file', USES['with pods from a file']!, {}],
      ['what somebody else says', USES['without what others provide']!, {}],
    ];
    for (const [what, values, expected] of RIGHTS) {
      it(what, async () => {
        const all = await objects(values);
        const roles = all.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
        const rights = Object.fromEntries(
          roles.map(({ kind, metadata, rules }) => [
            kind === 'ClusterRole' ? '*' : metadata.namespace,
            rules,
          ]),
        );
        assert.deepEqual(rights, expected);
        assert.lengthOf(
          all.filter(({ kind }) => kind.endsWith('RoleBinding')),
          roles.length,
        );
      });
    }
  });

  it('names what it has outside of its namespace after that, where others of its name may have theirs', async () => {
    const names = (await objects(USES['with a pool of somebody else, and pods by label']!))
      .filter(({ kind }) => kind === 'Role' || kind === 'RoleBinding')
      .map(({ kind, metadata, roleRef }) => [
        kind,
        metadata.namespace,
        metadata.name,
        (roleRef as { name: string } | undefined)?.name,
      ]);
    assert.sameDeepMembers(names, [
      ['Role', 'llm', 'warmroute', undefined],
      ['RoleBinding', 'llm', 'warmroute', 'warmroute'],
      ['Role', 'models', 'warmroute-llm', undefined],
      ['RoleBinding', 'models', 'warmroute-llm', 'warmroute-llm'],
    ]);
    assert.equal((await only('ClusterRole', USES['for all namespaces']!)).metadata.name, 'warmroute-llm');
  });

  it('takes bodies of gateways that say nothing of them for streamed where it follows a pool, and for buffered otherwise', async () => {
    assert.equal(
      (await deployed({ inferencePool: { create: true } })).env.WARMROUTE_UNSAID_BODY_MODE,
      'FULL_DUPLEX_STREAMED',
    );
    const config = { WARMROUTE_UNSAID_BODY_MODE: 'BUFFERED' };
    assert.equal(
      (await deployed({ inferencePool: { create: true }, config })).env.WARMROUTE_UNSAID_BODY_MODE,
      'BUFFERED',
    );
    assert.notProperty((await deployed({})).env, 'WARMROUTE_UNSAID_BODY_MODE');
  });

  it('lets the router reach the engines of its pool, by the labels and ports of that', async () => {
    const policy = await only('NetworkPolicy', {
      networkPolicy: { enabled: true },
      inferencePool: { create: true, matchLabels: { app: 'mine' }, targetPorts: [9000] },
    });
    const rules = policy.spec.egress as readonly { to?: object[]; ports: object[] }[];
    const rule = rules.find(
      ({ to }) => JSON.stringify(to) === '[{"podSelector":{"matchLabels":{"app":"mine"}}}]',
    );
    assert.deepEqual(rule?.ports, [{ port: 9000 }, { port: 8000 }, { port: 5557, endPort: 5572 }]);
  });

  it('has Prometheus keep the engine that a metric is of', async () => {
    const monitor = await only('ServiceMonitor', { serviceMonitor: { enabled: true } });
    assert.isTrue(monitor.spec.endpoints[0].honorLabels);
  });

  it('has the alerts, but those that are switched off, with the labels that are wanted', async () => {
    const { spec } = await only('PrometheusRule', {
      prometheusRule: {
        enabled: true,
        alertLabels: { team: 'inference' },
        // All of their group.
        disabled: ALERTS.filter(({ about }) => about === 'pods').map(({ name }) => name),
      },
    });
    const groups = spec.groups as readonly { rules: readonly { alert: string; labels: object }[] }[];
    const rules = groups.flatMap(({ rules }) => rules);
    assert.sameDeepMembers(
      rules.map(({ alert, labels }) => ({ alert, labels })),
      ALERTS.filter(({ about }) => about !== 'pods').map(({ name, severity }) => ({
        alert: name,
        labels: { severity, team: 'inference' },
      })),
    );
  });

  it('has the alerts as Prometheus reads them', async () => {
    const { spec } = await only('PrometheusRule', { prometheusRule: { enabled: true } });
    assert.deepEqual(spec, parse(alertRules()));
  });

  it('has a ConfigMap per dashboard, as Grafana’s sidecar looks for them', async () => {
    const maps = (await objects(USES['with dashboards']!)).filter(({ metadata }) =>
      metadata.name.includes('-dashboard-'),
    );
    const wanted = Object.entries(dashboardFiles());
    assert.lengthOf(maps, wanted.length);
    for (const [path, text] of wanted) {
      const map = maps.find(({ data }) => basename(path) in (data as object));
      const data = map?.data as Record<string, string>;
      assert.deepEqual(JSON.parse(data[basename(path)]!), JSON.parse(text));
      assert.include(map?.metadata.labels, { grafana_dashboard: '1' });
    }
  });

  it('has a token for the API server only where it is asked', async () => {
    assert.isTrue((await deployed({})).pod.automountServiceAccountToken);
    assert.isFalse((await deployed(USES['with pods from a file']!)).pod.automountServiceAccountToken);
  });

  it('is probed where the kubelet can ask', async () => {
    const { container } = await deployed(USES['as an endpoint picker']!);
    assert.deepEqual(container.readinessProbe.grpc, { port: 50053, service: 'readiness' });
    assert.deepEqual(container.livenessProbe.grpc, { port: 50053, service: 'liveness' });
    const { container: plain } = await deployed({ probes: { by: 'grpc' } });
    assert.deepEqual(plain.readinessProbe.grpc, { port: 50052, service: 'readiness' });
  });

  it('lets Envoy Gateway wait longer for a decision than the router does, and take bodies of the same size', async () => {
    const values = {
      envoyGateway: { enabled: true, gateway: 'llm' },
      config: { WARMROUTE_DECISION_TIMEOUT_MS: 2500, WARMROUTE_MAX_BODY_BYTES: 1048576 },
    };
    const policy = await only('EnvoyExtensionPolicy', values);
    assert.equal(policy.spec.extProc[0].messageTimeout, '2700ms');
    const clients = await only('ClientTrafficPolicy', values);
    assert.equal(clients.spec.connection.bufferLimit, '1048576');
  });
});

function environmentOf({ env }: Container): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(env.map(({ name, value }) => [name, value]));
}
