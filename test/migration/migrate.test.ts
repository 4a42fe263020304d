import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import { parse, stringify } from 'yaml';
import { ALWAYS } from '../../src/migration/always.ts';
import type { Finding } from '../../src/migration/finding.ts';
import { readManifests } from '../../src/migration/manifests.ts';
import { type Migration, migrate } from '../../src/migration/migrate.ts';
import { migrationReport } from '../../src/migration/report.ts';

const fixture = (name: string) =>
  readFileSync(new URL(`../fixtures/aibrix-0.7.0-${name}.yaml`, import.meta.url), 'utf8');

/** Of manifests one after the other. */
function migrated(...texts: readonly string[]): Migration {
  const result = migrate(texts.flatMap(text => [...readManifests(text).objects]));
  if (result.kind === 'problem') assert.fail(result.problem.reason);
  return result.migration;
}

const told = ({ findings }: Migration, weight: Finding['weight']) =>
  findings
    .filter(each => each.weight === weight && !ALWAYS.includes(each))
    .map(({ about, text }) => `${about}: ${text}`);

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: object;
}

/** A gateway plugin with these variables, and what a test says of its pods. */
const gateway = (env: readonly Variable[], podSpec: object = {}, container: object = {}) =>
  stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'aibrix-gateway-plugins', namespace: 'aibrix-system' },
    spec: {
      replicas: 3,
      template: {
        metadata: { labels: { app: 'gateway-plugins' } },
        spec: {
          containers: [{ name: 'gateway-plugin', image: 'aibrix/gateway-plugins:v0.7.0', env, ...container }],
          ...podSpec,
        },
      },
    },
  });

const engine = (given: { labels?: object; annotations?: object; args?: readonly string[]; env?: object[] }) =>
  stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'qwen', namespace: 'llm' },
    spec: {
      template: {
        metadata: {
          labels: { 'model.aibrix.ai/name': 'qwen', ...given.labels },
          annotations: given.annotations,
        },
        spec: { containers: [{ name: 'vllm', args: given.args, env: given.env }] },
      },
    },
  });

const events = (config: object) => ['--kv-events-config', JSON.stringify(config)];
const USUAL = { enable_kv_cache_events: true, endpoint: 'tcp://*:5557', replay_endpoint: 'tcp://*:5558' };

describe('migrate-from-aibrix', () => {
  describe('of AIBrix 0.7.0 as its manifests install it', () => {
    const migration = migrated(fixture('core'), fixture('engines'));

    it('makes values', () => {
      assert.deepEqual(migration.values, {
        fullnameOverride: 'warmroute',
        config: {
          WARMROUTE_DISCOVERY: 'kubernetes',
          WARMROUTE_KUBERNETES_NAMESPACES: '*',
          WARMROUTE_UNSET_STRATEGY: 'pass',
          WARMROUTE_TARGET_HEADERS: 'aibrix',
          WARMROUTE_MAX_BODY_BYTES: 4194304,
          AIBRIX_PREFIX_CACHE_TOKENIZER_TYPE: 'character',
          AIBRIX_PREFIX_CACHE_BLOCK_SIZE: 128,
          AIBRIX_PREFIX_CACHE_BLOCK_NUMBER: 200000,
          AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT: 16,
          AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR: 2,
          AIBRIX_USE_REMOTE_TOKENIZER: false,
          AIBRIX_KV_EVENT_SYNC_ENABLED: false,
        },
        replicaCount: 2,
        podLabels: { app: 'warmroute', 'app.kubernetes.io/component': 'aibrix-gateway-plugin' },
        resources: { limits: { cpu: '2', memory: '8Gi' }, requests: { cpu: '2', memory: '8Gi' } },
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              {
                preference: {
                  matchExpressions: [{ key: 'nvidia.com/gpu.present', operator: 'NotIn', values: ['true'] }],
                },
                weight: 100,
              },
            ],
          },
        },
      });
      assert.deepEqual(migration.swap, { service: 'aibrix-gateway-plugins', file: 'swap.yaml' });
    });

    it('says what is not taken over', () => {
      const dropped = told(migration, 'dropped').map(text => text.split(':')[0]);
      assert.deepEqual(dropped, [
        'AIBRIX_GPU_OPTIMIZER_TRACING_FLAG',
        'REDIS_HOST',
        'REDIS_PORT',
        'AIBRIX_POD_METRIC_REFRESH_INTERVAL_MS',
        'AIBRIX_PREFILL_REQUEST_TIMEOUT',
        'AIBRIX_STATESYNC_ENABLED',
      ]);
    });

    it('says what discovery needs to be told', () => {
      const [first, ...more] = told(migration, 'first');
      assert.match(
        first!,
        /^default\/qwen3-8b: publishes on 5557 and replays on 5559, .*warmroute\.dev\/replay-port: "5559"$/,
      );
      assert.isEmpty(more);
    });

    it('reads a List as kubectl prints it to the same', () => {
      const items = readManifests(fixture('core')).objects.map(({ raw }) => raw);
      const list = stringify({ apiVersion: 'v1', kind: 'List', items });
      assert.deepEqual(migrated(list, fixture('engines')), migration);
    });
  });

  it('of AIBrix 0.7.0 as its chart installs it patches the Service by other labels', () => {
    const { swap, gateway, values } = migrated(fixture('helm'));
    assert.deepEqual(swap, { service: 'aibrix-gateway-plugins', file: 'swap-helm.yaml' });
    assert.equal(gateway.namespace, 'aibrix-system');
    assert.notProperty(values, 'resources', 'a limit of 1Gi is too little');
  });

  it('warns of engines that do prefill or decode alone', () => {
    const first = told(migrated(fixture('core'), fixture('prefill-decode')), 'first');
    assert.match(first[0]!, /^default\/vllm-1p1d \(prefill\): is a prefill engine/);
    assert.match(first[1]!, /^default\/vllm-1p1d \(decode\): is a decode engine/);
    const labelled = told(migrated(gateway([]), engine({ labels: { 'role-name': 'decode' } })), 'first');
    assert.match(labelled.join('\n'), /llm\/qwen: is a decode engine/);
  });

  describe('takes variables', () => {
    const of = (...env: Variable[]) => migrated(gateway(env));
    const config = ({ values }: Migration) => values.config as Record<string, unknown>;

    it('that are settings, checked as Warmroute checks them', () => {
      const migration = of(
        { name: 'ROUTING_ALGORITHM', value: 'least-request' },
        { name: 'AIBRIX_TOKENIZER_REQUEST_TIMEOUT', value: '5s' },
        { name: 'AIBRIX_PREFIX_CACHE_HASH_SEED', value: '18446744073709551615' },
        { name: 'AIBRIX_PREFIX_CACHE_BLOCK_SIZE', value: '0' },
        { name: 'OTEL_EXPORTER_OTLP_PROTOCOL', value: 'http' },
        { name: 'AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE', value: '' },
      );
      assert.include(config(migration), {
        ROUTING_ALGORITHM: 'least-request',
        AIBRIX_TOKENIZER_REQUEST_TIMEOUT: '5s',
        AIBRIX_PREFIX_CACHE_HASH_SEED: '18446744073709551615',
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      });
      assert.doesNotHaveAnyKeys(config(migration), [
        'WARMROUTE_UNSET_STRATEGY',
        'AIBRIX_PREFIX_CACHE_BLOCK_SIZE',
        'AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE',
      ]);
      assert.match(
        told(migration, 'first').join('\n'),
        /^AIBRIX_PREFIX_CACHE_BLOCK_SIZE: 0 is refused here: must be/m,
      );
    });

    it('that name a strategy which is not taken over', () => {
      const first = told(of({ name: 'ROUTING_ALGORITHM', value: 'pd' }), 'first');
      assert.match(first.join('\n'), /^ROUTING_ALGORITHM: pd is refused here/m);
    });

    it('in either spelling, and the tokenizer that events need', () => {
      const migration = of({ name: 'AIBRIX_PREFIX_CACHE_KV_EVENT_SYNC_ENABLED', value: 'True' });
      assert.include(config(migration), {
        AIBRIX_KV_EVENT_SYNC_ENABLED: true,
        AIBRIX_USE_REMOTE_TOKENIZER: true,
      });
      assert.match(told(migration, 'differs').join('\n'), /AIBRIX_USE_REMOTE_TOKENIZER: is set to true/);
    });

    it('whose values are elsewhere, without secrets', () => {
      const valueFrom = { secretKeyRef: { name: 'otel', key: 'endpoint' } };
      const migration = of(
        { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', valueFrom },
        { name: 'OTEL_EXPORTER_OTLP_INSECURE', value: 'true' },
        { name: 'OTEL_EXPORTER_OTLP_HEADERS', value: 'Authorization=s3cret' },
        { name: 'REDIS_PASSWORD', value: 's3cret' },
        { name: 'AIBRIX_AUTH_BEARER_TOKEN', value: 's3cret' },
        { name: 'MY_OWN', value: 's3cret' },
        { name: 'AIBRIX_TOKENIZER_TTL', value: '30s' },
      );
      assert.deepEqual(migration.values.extraEnv, [
        { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', valueFrom },
        { name: 'OTEL_EXPORTER_OTLP_INSECURE', value: 'true' },
      ]);
      assert.notInclude(migrationReport(migration), 's3cret');
      const first = told(migration, 'first').join('\n');
      assert.match(first, /^OTEL_EXPORTER_OTLP_HEADERS: may hold a secret/m);
      assert.match(first, /^AIBRIX_AUTH_BEARER_TOKEN: keys are not checked here/m);
      const dropped = told(migration, 'dropped').join('\n');
      assert.match(dropped, /^MY_OWN: is not known here$/m);
      assert.match(dropped, /^AIBRIX_TOKENIZER_TTL: without effect here: /m);
    });
  });

  it('takes over what the pods need, and says what is beside it', () => {
    const migration = migrated(
      gateway([], {
        imagePullSecrets: [{ name: 'registry' }],
        tolerations: [{ key: 'infra', operator: 'Exists' }],
        nodeSelector: { pool: 'infra' },
        priorityClassName: 'high',
        containers: [
          { name: 'gateway-plugin', envFrom: [{ secretRef: { name: 'more' } }] },
          { name: 'envoy' },
        ],
      }),
    );
    assert.include(migration.values, { replicaCount: 3, priorityClassName: 'high' });
    assert.deepInclude(migration.values, {
      imagePullSecrets: [{ name: 'registry' }],
      tolerations: [{ key: 'infra', operator: 'Exists' }],
      nodeSelector: { pool: 'infra' },
      extraEnvFrom: [{ secretRef: { name: 'more' } }],
    });
    const first = told(migration, 'first').join('\n');
    assert.match(first, /has other containers in its pods \(envoy\)/);
    assert.match(first, /^envFrom: /m);
  });

  describe('looks at engines', () => {
    const sync = gateway([{ name: 'AIBRIX_KV_EVENT_SYNC_ENABLED', value: '1' }]);
    const LABEL = { 'model.aibrix.ai/kv-events-enabled': 'true' };
    const rows: readonly [string, string, Parameters<typeof engine>[0], Finding['weight'], RegExp][] = [
      [
        'with events and the label',
        sync,
        { labels: LABEL, args: events(USUAL) },
        'kept',
        /its events are followed$/,
      ],
      [
        'with events, without sync',
        gateway([]),
        { labels: LABEL, args: events(USUAL) },
        'kept',
        /which are followed with AIBRIX_USE/,
      ],
      [
        'in a shell',
        sync,
        { labels: LABEL, args: [`vllm serve x --kv-events-config '${JSON.stringify(USUAL)}' --port 8000`] },
        'kept',
        /its events are followed$/,
      ],
      [
        'with quotes in quotes',
        sync,
        {
          labels: LABEL,
          args: [`vllm serve x --kv-events-config="${JSON.stringify(USUAL).replaceAll('"', '\\"')}"`],
        },
        'kept',
        /its events are followed$/,
      ],
      ['without the label', sync, { args: events(USUAL) }, 'differs', /announces events without the label/],
      [
        'without replay',
        sync,
        { labels: LABEL, args: events({ ...USUAL, replay_endpoint: null }) },
        'differs',
        /has no replay_endpoint/,
      ],
      [
        'on other ports',
        sync,
        { labels: LABEL, args: events({ ...USUAL, endpoint: 'tcp://*:6000' }) },
        'first',
        /warmroute\.dev\/kv-events-port: "6000"/,
      ],
      ['with the label alone', sync, { labels: LABEL }, 'first', /does not turn events on/],
      [
        'with events off',
        sync,
        { labels: LABEL, args: events({ ...USUAL, enable_kv_cache_events: false }) },
        'first',
        /does not turn events on/,
      ],
      ['without events, with sync', sync, {}, 'first', /with KV event sync nothing is known/],
      [
        'with a configuration in parts',
        sync,
        { args: ['--kv-events-config.publisher=zmq'] },
        'first',
        /cannot be read here/,
      ],
      [
        'with an API key',
        sync,
        { env: [{ name: 'VLLM_API_KEY', value: 'k' }] },
        'first',
        /WARMROUTE_ENGINE_API_KEY_FILE/,
      ],
      [
        'without a prefix cache',
        sync,
        { args: ['--no-enable-prefix-caching'] },
        'first',
        /has no prefix cache/,
      ],
      [
        'with profiles',
        sync,
        {
          annotations: {
            'model.aibrix.ai/config':
              '{"lockedRoutingStrategy":"slo","profiles":{"a":{"routingStrategy":"least-request","requestsPerSecond":5}}}',
          },
        },
        'first',
        /config profiles are not read: slo, least-request would not be used/,
      ],
      [
        'with profiles of strategies that are refused',
        sync,
        { annotations: { 'model.aibrix.ai/config': '{"profiles":{"a":{"routingStrategy":"slo"}}}' } },
        'first',
        /the strategy slo is answered 400/,
      ],
      [
        'with rates in profiles',
        sync,
        { annotations: { 'model.aibrix.ai/config': '{"profiles":{"a":{"requestsPerSecond":5}}}' } },
        'dropped',
        /requestsPerSecond/,
      ],
      [
        'with profiles that are none',
        sync,
        { annotations: { 'model.aibrix.ai/config': '{' } },
        'first',
        /is no JSON/,
      ],
    ];
    for (const [what, by, given, weight, words] of rows) {
      it(what, () => {
        const lines = told(migrated(by, engine(given)), weight);
        assert.isTrue(
          lines.some(line => line.startsWith('llm/qwen') && words.test(line)),
          lines.join('\n'),
        );
      });
    }

    it('once, not again in their pods; and says when there are none', () => {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name: 'qwen-1',
          ownerReferences: [{ kind: 'ReplicaSet' }],
          labels: { 'model.aibrix.ai/name': 'qwen' },
        },
        spec: { containers: [{ name: 'vllm' }] },
      };
      const first = told(migrated(sync, stringify(pod)), 'first').join('\n');
      assert.notInclude(first, 'qwen-1');
      assert.match(first, /^engines: no workload/m);
      const alone = told(
        migrated(sync, stringify({ ...pod, metadata: { name: 'qwen-1', labels: pod.metadata.labels } })),
        'first',
      );
      assert.match(alone.join('\n'), /^default\/qwen-1: announces no KV-cache events/m);
    });

    it('and the objects beside them', () => {
      const of = (kind: string) =>
        `{ apiVersion: model.aibrix.ai/v1alpha1, kind: ${kind}, metadata: { name: x, namespace: llm } }`;
      assert.match(
        told(migrated(sync, of('ModelClaim')), 'dropped').join('\n'),
        /^llm\/x: engines that sleep/m,
      );
      assert.match(
        told(migrated(sync, of('ModelAdapter')), 'kept').join('\n'),
        /^llm\/x: its adapter is found/m,
      );
    });
  });

  describe('looks at Envoy’s policies', () => {
    const policy = (extProc: object, name = 'aibrix-gateway-plugins-extension-policy') =>
      stringify({
        apiVersion: 'gateway.envoyproxy.io/v1alpha1',
        kind: 'EnvoyExtensionPolicy',
        metadata: { name },
        spec: { extProc: [extProc] },
      });
    const BUFFERED = { processingMode: { request: { body: 'Buffered' } } };

    it('for how bodies are sent, and how long Envoy waits', () => {
      const first = told(
        migrated(
          gateway([]),
          policy({ processingMode: { request: { body: 'Streamed' } }, messageTimeout: '500ms' }),
        ),
        'first',
      ).join('\n');
      assert.match(first, /sends request bodies as Streamed/);
      assert.match(first, /waits 500 ms for the router/);
      const fine = told(
        migrated(gateway([]), policy({ ...BUFFERED, failOpen: true, messageTimeout: '1m0s' })),
        'first',
      ).join('\n');
      assert.notInclude(fine, 'extension-policy');
    });

    it('for the name that AIBrix’s patch goes by', () => {
      const patch = '{ apiVersion: x/v1, kind: EnvoyPatchPolicy, metadata: { name: aibrix-epp } }';
      const first = told(migrated(gateway([]), policy(BUFFERED, 'other'), patch), 'first').join('\n');
      assert.match(
        first,
        /^EnvoyExtensionPolicy aibrix-gateway-plugins-extension-policy: is not there by this name/m,
      );
    });

    for (const [limit, bytes] of [
      ['8Mi', 8388608],
      ['1M', 1000000],
      ['a lot', undefined],
    ] as const) {
      it(`for the largest body, as ${limit}`, () => {
        const traffic = `{ apiVersion: x/v1, kind: ClientTrafficPolicy, metadata: { name: a }, spec: { connection: { bufferLimit: ${limit} } } }`;
        const { values } = migrated(gateway([]), traffic);
        assert.equal((values.config as Record<string, unknown>).WARMROUTE_MAX_BODY_BYTES, bytes);
      });
    }
  });

  describe('refuses', () => {
    const reason = (...texts: string[]) => {
      const result = migrate(texts.flatMap(text => [...readManifests(text).objects]));
      return result.kind === 'problem' ? result.problem.reason : 'it was taken';
    };

    it('what has no gateway plugin in it', () => {
      assert.match(
        reason(fixture('engines')),
        /no Deployment with a container `gateway-plugin`.*kubectl -n aibrix-system get/,
      );
    });

    it('two of them, but not one and its pods', () => {
      const other = gateway([]).replace('namespace: aibrix-system', 'namespace: other');
      assert.match(
        reason(gateway([]), other),
        /several gateway plugins \(aibrix-system\/aibrix-gateway-plugins, other\//,
      );
      const pod = stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p' },
        spec: { containers: [{ name: 'gateway-plugin' }] },
      });
      assert.equal(reason(gateway([]), pod, pod), 'it was taken');
      assert.equal(reason(pod, pod), 'it was taken');
    });
  });

  it('says in any case what docs/migrating-from-aibrix.md has reasons for', () => {
    const page = readFileSync(new URL('../../docs/migrating-from-aibrix.md', import.meta.url), 'utf8');
    const namesIn = (heading: string) => {
      const section = page.split(/^## /m).find(each => each.startsWith(heading)) ?? '';
      const cells = Array.from(section.matchAll(/^\| ([^|]+) \|/gm), ([, cell]) => cell!);
      return cells.filter(cell => cell !== 'what' && cell !== '---');
    };
    const names = (weight: Finding['weight']) =>
      ALWAYS.filter(each => each.weight === weight).map(({ about }) => about);
    assert.sameMembers(namesIn('What differs'), names('differs'));
    assert.sameMembers(namesIn('What is not taken over'), names('dropped'));
  });

  describe('prints', () => {
    const text = migrationReport(migrated(fixture('core'), fixture('engines')));

    it('values, and all else as comments', () => {
      assert.deepEqual(parse(text), migrated(fixture('core'), fixture('engines')).values);
      for (const { about } of ALWAYS) assert.include(text, about);
      for (const line of text.split('\n').filter(each => each.startsWith('#')))
        assert.isAtMost(line.length, 120);
    });

    it('nothing that was read outside of its comment or value', () => {
      const evil = '"x\\nconfig: {}\\u001b[31m\\u2028# "';
      const name = engine({}).replace('name: qwen\n', `name: ${evil}\n`);
      const migration = migrated(gateway([{ name: 'A\nconfig: {}', value: 'x' }]), name);
      const printed = migrationReport(migration);
      assert.deepEqual(parse(printed), migration.values);
      assert.notInclude(printed, '\u001b');
    });
  });
});
