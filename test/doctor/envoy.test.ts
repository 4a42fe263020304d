/** The configurations of envoy/, as a real Envoy dumps them, have no problem; with one thing changed they have just that one. */
import { readFile } from 'node:fs/promises';
import { assert } from 'chai';
import { renderBootstrap, startEnvoy } from '../../demo/envoy.ts';
import {
  type EnvoyExpectations,
  type EnvoySource,
  examineEnvoy,
} from '../../src/doctor/envoy/examine-envoy.ts';
import { ENVOY_PROBLEMS } from '../../src/doctor/envoy/problems.ts';
import { aConfig } from '../support/builders.ts';
import { ENVOY_TEST_TIMEOUT_MS, type EnvoyFile, envoyFile, envoyForTests } from '../support/envoy.ts';
import { closedAddress } from '../support/envoy-upstream.ts';
import { FakeEngine, FLOOD } from '../support/fake-engine.ts';
import { json } from '../support/fake-tokenizer.ts';

// biome-ignore lint/suspicious/noExplicitAny: Envoy's configuration, of which each change knows its own part.
type Dump = any;
type ProblemName = keyof typeof ENVOY_PROBLEMS;

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];
const EXPECTED: EnvoyExpectations = aConfig({});
/** How AIBrix sets Envoy up, which envoy/aibrix.yaml shows as it is. */
const OF_AIBRIX: readonly ProblemName[] = [
  ...(['override_not_allowed', 'buffer_small', 'few_streams', 'unhealthy_used', 'resets_unguarded'] as const),
];

const extProc = (dump: Dump) => chain(dump).find((filter: Dump) => /ext_proc/.test(filter.name));
const config = (dump: Dump) => extProc(dump).typed_config;
const partOf = (dump: Dump, type: string) =>
  dump.configs.find((each: Dump) => each['@type'].endsWith(`.${type}`));
const bootstrap = (dump: Dump) => partOf(dump, 'BootstrapConfigDump').bootstrap;
const listener = (dump: Dump) => partOf(dump, 'ListenersConfigDump').static_listeners[0].listener;
const manager = (dump: Dump) => listener(dump).filter_chains[0].filters[0].typed_config;
const chain = (dump: Dump) => manager(dump).http_filters;
const route = (dump: Dump) => manager(dump).route_config.virtual_hosts[0].routes[0];
const cluster = (dump: Dump, name: string) =>
  partOf(dump, 'ClustersConfigDump').static_clusters.find((each: Dump) => each.cluster.name === name).cluster;
const routers = (dump: Dump) => cluster(dump, 'warmroute_ext_proc');
const options = (dump: Dump) => Object.values<Dump>(routers(dump).typed_extension_protocol_options)[0];
const mutations = (dump: Dump) => manager(dump).early_header_mutation_extensions[0].typed_config.mutations;

interface Change {
  /** Default: warmroute.yaml. */
  readonly file?: EnvoyFile;
  readonly change?: (dump: Dump) => unknown;
  readonly expected?: Partial<EnvoyExpectations>;
  readonly finds: readonly ProblemName[];
}

const CHANGES: Readonly<Record<string, Change>> = {
  'the filter is missing': { change: dump => chain(dump).splice(0, 1), finds: ['no_filter'] },
  'the filter is disabled': { change: dump => (extProc(dump).disabled = true), finds: ['filter_off'] },
  'the filter is disabled on the routes': {
    change: dump => {
      route(dump).typed_per_filter_config = { 'envoy.filters.http.ext_proc': { disabled: true } };
    },
    finds: ['filter_off'],
  },
  'the filter stands behind the router filter': {
    change: dump => chain(dump).reverse(),
    finds: ['filter_after_router'],
  },
  'keys are checked behind it': {
    change: dump =>
      chain(dump).splice(1, 0, {
        name: 'keys',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth',
        },
      }),
    finds: ['auth_after_filter'],
  },
  'it only observes': { change: dump => (config(dump).observability_mode = true), finds: ['shadow_mode'] },
  'it fails closed': { change: dump => delete config(dump).failure_mode_allow, finds: ['fails_closed'] },
  'it waits as long as Envoy does by default': {
    change: dump => delete config(dump).message_timeout,
    finds: ['message_timeout_short'],
  },
  'it waits no longer than the router decides': {
    change: dump => (config(dump).message_timeout = '0.800s'),
    finds: ['message_timeout_short'],
  },
  'the router decides for longer': {
    expected: { decisionTimeoutMs: 1_000 },
    finds: ['message_timeout_short'],
  },
  'headers are not sent': {
    change: dump => (config(dump).processing_mode.request_header_mode = 'SKIP'),
    finds: ['body_not_sent'],
  },
  'bodies are sent in part': {
    change: dump => (config(dump).processing_mode.request_body_mode = 'BUFFERED_PARTIAL'),
    finds: ['body_not_sent'],
  },
  'bodies are streamed, and no other mode is allowed': {
    change: dump => {
      config(dump).processing_mode.request_body_mode = 'STREAMED';
      delete config(dump).allow_mode_override;
    },
    finds: ['body_not_sent'],
  },
  'streamed bodies end without trailers': {
    file: 'endpoint-picker.yaml',
    change: dump => (config(dump).processing_mode.request_trailer_mode = 'SKIP'),
    finds: ['body_not_sent'],
  },
  'nothing of responses is sent': {
    file: 'endpoint-picker.yaml',
    change: dump => {
      Object.assign(config(dump).processing_mode, {
        response_header_mode: 'SKIP',
        response_body_mode: 'NONE',
        response_trailer_mode: 'SKIP',
      });
    },
    finds: ['end_unseen'],
  },
  'no mode may be overridden': {
    change: dump => delete config(dump).allow_mode_override,
    finds: ['override_not_allowed', 'override_not_allowed', 'override_not_allowed'],
  },
  'one mode may not be overridden': {
    change: dump => config(dump).allowed_override_modes.pop(),
    finds: ['override_not_allowed'],
  },
  'the buffer is Envoy’s usual one': {
    change: dump => delete listener(dump).per_connection_buffer_limit_bytes,
    finds: ['buffer_small'],
  },
  'the buffer of the route is smaller': {
    change: dump => (route(dump).request_body_buffer_limit = '1024'),
    finds: ['buffer_small'],
  },
  'larger bodies are taken': { expected: { maxBodyBytes: 64 << 20 }, finds: ['buffer_small'] },
  'no header may be changed': {
    change: dump => (config(dump).mutation_rules = { disallow_all: true }),
    finds: ['mutation_refused'],
  },
  'some headers may not be changed': {
    change: dump => (config(dump).mutation_rules.disallow_expression.regex = '^(authorization|target-.*)$'),
    finds: ['mutation_refused'],
  },
  'the route is kept': {
    change: dump => (config(dump).route_cache_action = 'RETAIN'),
    finds: ['route_cache_kept'],
  },
  'the route is kept, as older Envoys call it': {
    change: dump => (config(dump).disable_clear_route_cache = true),
    finds: ['route_cache_kept'],
  },
  'the route is kept, and another one needed': {
    file: 'aibrix.yaml',
    change: dump => (config(dump).disable_clear_route_cache = true),
    finds: [
      'override_not_allowed',
      'buffer_small',
      'route_not_chosen_again',
      'few_streams',
      'unhealthy_used',
      'resets_unguarded',
    ],
  },
  'metadata that a cluster goes by is dropped': {
    change: dump => delete config(dump).metadata_options,
    finds: ['namespace_dropped'],
  },
  'metadata is dropped': {
    change: dump => {
      delete config(dump).metadata_options;
      cluster(
        dump,
        'llm_pods',
      ).load_balancing_policy.policies[0].typed_extension_config.typed_config.override_host_sources.splice(
        0,
        2,
      );
    },
    finds: ['metadata_dropped'],
  },
  'it is not said who served': {
    change: dump => delete config(dump).response_attributes,
    finds: ['server_unsaid'],
  },
  'the cluster balances by itself': {
    change: dump => delete cluster(dump, 'llm_pods').load_balancing_policy,
    finds: ['pick_ignored'],
  },
  'ORIGINAL_DST goes by Envoy’s own header': {
    file: 'original-dst.yaml',
    change: dump => delete cluster(dump, 'picked_pod').original_dst_lb_config.http_header_name,
    finds: ['pick_ignored'],
  },
  'the cluster is missing': {
    change: dump => (route(dump).route.cluster = 'elsewhere'),
    finds: ['cluster_unknown'],
  },
  'nothing is tried again': { change: dump => delete route(dump).route.retry_policy, finds: ['no_retries'] },
  'generations are cut': { change: dump => delete route(dump).route.timeout, finds: ['route_timeout_short'] },
  'clients may write a header': { change: dump => mutations(dump).pop(), finds: ['forgeable_headers'] },
  'clients may write all headers': {
    change: dump => delete manager(dump).early_header_mutation_extensions,
    finds: ['forgeable_headers'],
  },
  'what a client writes is dialled': {
    file: 'original-dst.yaml',
    change: dump => mutations(dump).shift(),
    finds: ['open_proxy', 'forgeable_headers'],
  },
  'the router has no cluster': {
    change: dump => (config(dump).grpc_service.envoy_grpc.cluster_name = 'warmroute'),
    finds: ['router_cluster_missing'],
  },
  'the router’s cluster speaks HTTP/1.1': {
    change: dump => delete options(dump).explicit_http_config,
    finds: ['router_not_http2'],
  },
  'the router speaks TLS': { expected: { tls: 'self-signed' }, finds: ['tls_mismatch'] },
  'Envoy speaks TLS': {
    change: dump => (routers(dump).transport_socket = { name: 'tls' }),
    finds: ['tls_mismatch'],
  },
  'the router’s cluster takes few streams': {
    change: dump => delete routers(dump).circuit_breakers,
    finds: ['few_streams'],
  },
  'connections are kept for long': {
    change: dump => (options(dump).common_http_protocol_options.idle_timeout = '7200s'),
    finds: ['idle_timeout_long'],
  },
  'the health check names no service': {
    change: dump => delete routers(dump).health_checks[0].grpc_health_check.service_name,
    finds: ['health_unnamed'],
  },
  'the health check names another service': {
    change: dump => (routers(dump).health_checks[0].grpc_health_check.service_name = 'envoy'),
    finds: ['health_service_unknown'],
  },
  'the health check’s host is no host': {
    change: dump => {
      routers(dump).name = 'llm/warmroute';
      config(dump).grpc_service.envoy_grpc.cluster_name = 'llm/warmroute';
    },
    finds: ['health_authority'],
  },
  'dead routers are used in panic': {
    change: dump => delete routers(dump).common_lb_config,
    finds: ['unhealthy_used'],
  },
  'nobody looks at routers': {
    change: dump => {
      delete routers(dump).health_checks;
      delete routers(dump).outlier_detection;
    },
    finds: ['unhealthy_used'],
  },
  'the router stops sooner than it is noticed': { expected: { drainMs: 4_000 }, finds: ['drain_short'] },
  'streams are reset': {
    change: dump => {
      delete bootstrap(dump).layered_runtime;
      delete options(dump).common_http_protocol_options.max_requests_per_connection;
    },
    finds: ['resets_unguarded'],
  },
  'streams are reset, and connections renewed': {
    change: dump => delete bootstrap(dump).layered_runtime,
    finds: [],
  },
  'Envoy is old': {
    change: dump => (bootstrap(dump).node.user_agent_build_version.version.minor_number = 33),
    finds: ['envoy_old'],
  },
  'a regular expression takes for ever': {
    change: dump => (config(dump).mutation_rules.disallow_expression.regex = '(([a-z-]+)+)+0'),
    finds: [],
  },
};

describe('warmroute doctor, of Envoy', function () {
  this.timeout(ENVOY_TEST_TIMEOUT_MS);
  const dumps = new Map<EnvoyFile, string>();
  const fromAdmin = new Map<EnvoyFile, readonly string[]>();

  before(async () => {
    const binary = await envoyForTests();
    await Promise.all(
      FILES.map(async file => {
        const wiring = { routers: [await closedAddress()], pods: [await closedAddress()] };
        const envoy = await startEnvoy({
          binary,
          bootstrap: renderBootstrap(await readFile(envoyFile(file), 'utf8'), wiring),
        });
        try {
          const base = new URL(`http://127.0.0.1:${envoy.adminPort}`);
          dumps.set(file, await (await fetch(new URL('/config_dump', base))).text());
          fromAdmin.set(file, await problemsOf({ kind: 'admin', base, timeoutMs: 20_000 }));
        } finally {
          await envoy.stop();
        }
      }),
    );
  });

  for (const file of FILES) {
    const finds = file === 'aibrix.yaml' ? OF_AIBRIX : [];
    it(`finds ${finds.length === 0 ? 'nothing' : `what AIBrix leaves out`} in envoy/${file}, by admin port or by dump`, async () => {
      // No router is there; without a health check Envoy does not know it before it is asked for.
      const unreached = file === 'aibrix.yaml' ? [] : ['router_unreached'];
      assert.deepEqual(fromAdmin.get(file), [...unreached, ...finds]);
      assert.deepEqual(await problemsOf(dumped(dumps.get(file)!)), [...finds]);
    });
  }

  for (const [what, { file = 'warmroute.yaml', change, expected, finds }] of Object.entries(CHANGES)) {
    it(`finds that ${what}: ${finds.join(', ') || 'which is no problem'}`, async () => {
      const dump = JSON.parse(dumps.get(file)!);
      change?.(dump);
      assert.deepEqual(await problemsOf(dumped(JSON.stringify(dump)), { ...EXPECTED, ...expected }), [
        ...finds,
      ]);
    });
  }

  it('reads dumps in camel case, and those that a tool has wrapped', async () => {
    const text = dumps
      .get('original-dst.yaml')!
      .replaceAll(/"([a-z0-9]+(?:_[a-z0-9]+)+)":/g, (_, name: string) => {
        return `"${name.replaceAll(/_([a-z0-9])/g, (__, letter: string) => letter.toUpperCase())}":`;
      });
    assert.deepEqual(await problemsOf(dumped(`{"gateways":{"llm/envoy-1":${text}}}`)), []);
  });

  it('goes by the runtime as it is in force, where the admin port tells', async () => {
    const dump = JSON.parse(dumps.get('warmroute.yaml')!);
    delete options(dump).common_http_protocol_options.max_requests_per_connection;
    const guard = 'envoy.reloadable_features.ext_proc_graceful_grpc_close';
    const admin = await FakeEngine.start({
      '/config_dump': json(200, dump),
      '/runtime': json(200, { entries: { [guard]: { final_value: 'false' } } }),
      '/stats': json(200, {
        stats: [{ name: 'http.ingress.ext_proc.warmroute.failure_mode_allowed', value: 3 }],
      }),
    });
    try {
      const base = new URL(`http://127.0.0.1:${admin.port}`);
      assert.deepEqual(await problemsOf({ kind: 'admin', base, timeoutMs: 20_000 }), [
        'failing_open',
        'resets_unguarded',
      ]);
    } finally {
      await admin.stop();
    }
  });

  it('says that Envoy does not reach the router, and where it looks for it', async () => {
    const dump = JSON.parse(dumps.get('warmroute.yaml')!);
    const { address, port_value } =
      routers(dump).load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address;
    const dialled = `${address}:${port_value}`;
    const admin = await FakeEngine.start({ '/config_dump': json(200, dump) });
    const examined = async (counted: Readonly<Record<string, number>>) => {
      const stats = Object.entries(counted).map(([name, value]) => ({
        name: `cluster.warmroute_ext_proc.${name}`,
        value,
      }));
      admin.pages = { ...admin.pages, '/stats': json(200, { stats }) };
      const base = new URL(`http://127.0.0.1:${admin.port}`);
      const { signal } = new AbortController();
      const [whole] = await examineEnvoy({ kind: 'admin', base, timeoutMs: 20_000 }, EXPECTED, signal);
      return whole!.findings.flatMap(({ check, status, saw }) =>
        check === 'reach' ? [`${status}: ${saw}`] : [],
      );
    };
    const said = (status: string, healthy: string, failed: string) => [
      `${status}: cluster warmroute_ext_proc: ${healthy} healthy, ${failed} connections failed; it dials ${dialled}`,
    ];
    try {
      assert.deepEqual(await examined({}), [], 'no counters');
      const sick = { membership_total: 1, membership_healthy: 0 };
      assert.deepEqual(await examined(sick), said('fail', '0 of 1', '0 of 0'));
      const well = { membership_total: 1, membership_healthy: 1 };
      assert.deepEqual(await examined(well), said('ok', '1 of 1', '0 of 0'));
      const never = { ...well, upstream_cx_total: 4, upstream_cx_connect_fail: 4 };
      assert.deepEqual(await examined(never), said('fail', '1 of 1', '4 of 4'));
      const seldom = { ...never, upstream_cx_total: 5 };
      assert.deepEqual(await examined(seldom), said('ok', '1 of 1', '4 of 5'));
    } finally {
      await admin.stop();
    }
  });

  it('says so when there is nothing to read', async () => {
    for (const content of [
      '',
      '{}',
      '[]',
      '{"configs":[{}]}',
      'null',
      `{"configs":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    ])
      assert.deepEqual(await problemsOf(dumped(content)), ['envoy_unreadable'], content.slice(0, 40));
    const endless = await FakeEngine.start({ '/config_dump': FLOOD });
    try {
      const base = new URL(`http://127.0.0.1:${endless.port}`);
      assert.deepEqual(await problemsOf({ kind: 'admin', base, timeoutMs: 20_000 }), ['envoy_unreadable']);
    } finally {
      await endless.stop();
    }
    const base = new URL(`http://${await closedAddress()}`);
    assert.deepEqual(await problemsOf({ kind: 'admin', base, timeoutMs: 20_000 }), ['envoy_unreadable']);
  });

  it('has a change for each problem of Envoy', () => {
    const found = new Set<string>(Object.values(CHANGES).flatMap(({ finds }) => finds));
    assert.sameMembers(
      [...found, 'envoy_unreadable', 'failing_open', 'router_unreached'],
      Object.keys(ENVOY_PROBLEMS),
    );
  });
});

function dumped(content: string): EnvoySource {
  return { kind: 'dump', name: 'dump.json', content };
}

async function problemsOf(source: EnvoySource, expected = EXPECTED): Promise<string[]> {
  const sections = await examineEnvoy(source, expected, new AbortController().signal);
  return sections.flatMap(({ findings }) =>
    findings.flatMap(each => ('problem' in each ? [each.problem] : [])),
  );
}
