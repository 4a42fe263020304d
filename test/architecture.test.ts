import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';

/** Which parts a part may import, itself aside. A part is a folder of `src/`, or a file at its top. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  time: [],
  slots: [],
  coalesced: ['time'],
  slices: [],
  listeners: [],
  aside: ['time'],
  version: [],
  printable: [],
  'bounded-body': [],
  'http-client': ['bounded-body'],
  strategies: ['domain'],
  settings: ['domain', 'strategies'],
  config: ['settings', 'domain'],
  'prefix-index': ['domain'],
  cache: ['domain', 'time', 'prefix-index'],
  prompt: ['domain', 'time', 'bounded-body'],
  pods: ['domain', 'time', 'slots', 'aside', 'coalesced', 'kubernetes'],
  kubernetes: ['time', 'coalesced', 'printable', 'bounded-body'],
  health: ['domain', 'time'],
  'engine-api': ['domain', 'time', 'slots', 'health/pods-health'],
  routing: [
    'domain',
    'strategies',
    'time',
    'slots',
    'health/pods-health',
    'cache',
    'prefix-index',
    'prompt',
    'pods',
  ],
  events: ['domain', 'time', 'slots', 'cache', 'prefix-index', 'prompt/blocks', 'pods'],
  extproc: ['domain', 'routing/route'],
  tls: ['time', 'extproc/tls-handshakes', 'pods/bounded-read', 'pods/file-watch'],
  ops: [
    'domain',
    'time',
    'engine-api/port-watch',
    'engine-api/engine-metrics',
    'health/pods-health',
    'cache',
    'prefix-index',
    'prompt',
    'routing',
    'events',
    'extproc',
    'pods',
    'tls/server-identity',
    'kubernetes/kubernetes',
    'explain',
    'slots',
    'record/recording',
    'tokenizers',
  ],
  tokenizers: [
    ...[
      'domain',
      'time',
      'slots',
      'aside',
      'coalesced',
      'printable',
      'bounded-body',
      'http-client',
      'prompt',
    ],
    ...['listeners', 'pods/file-watch', 'pods/bounded-read'],
  ],
  record: ['domain', 'time', 'routing/route', 'prompt/blocks', 'prompt/paths'],
  simulator: ['domain'],
  explain: ['domain', 'routing/route', 'prompt/paths', 'printable', 'http-client'],
  smoke: ['time', 'printable', 'http-client'],
  migration: ['aside', 'printable', 'settings'],
  simulation: [
    ...['domain', 'strategies', 'cache', 'prompt/blocks', 'events/ingest/ingest', 'simulator/block-pool'],
    ...['routing/policy', 'routing/load', 'routing/work/token-work', 'routing/prefix-lookup'],
    ...['routing/strategies/zone-penalties', 'events/decoding/decoding'],
  ],
  history: [
    ...['printable', 'simulation/report/markup', 'simulation/report/page', 'simulation/report/plots'],
    ...[
      'simulation/report/results',
      'simulation/report/write-files',
      'simulation/trace/mooncake',
      'simulation/trace/trace-file',
    ],
    'simulation/trace/trace-lines',
  ],
  doctor: [
    ...['domain', 'time', 'slots', 'printable', 'http-client', 'cache', 'events', 'pods', 'prompt'],
    ...['routing/prefix-lookup', 'extproc/headers', 'extproc/health'],
  ],
  engines: [
    'domain',
    'time',
    'slots',
    'engine-api',
    'events',
    'pods',
    'cache',
    'prefix-index',
    'prompt/engine/http',
    'slices',
  ],
  composition: [
    ...['config', 'settings', 'domain', 'time', 'slots', 'listeners', 'strategies'],
    ...['cache', 'engine-api', 'events', 'extproc', 'health', 'kubernetes', 'pods', 'prompt', 'routing'],
    ...['tls', 'ops', 'doctor', 'explain', 'version', 'record', 'tokenizers'],
  ],
  serve: [
    ...['composition', 'config', 'settings', 'domain', 'time', 'listeners', 'strategies', 'version'],
    ...['cache', 'engine-api', 'engines', 'events', 'extproc', 'health', 'pods', 'prompt', 'routing'],
    'ops',
  ],
  commands: [
    'config',
    'settings',
    'version',
    'serve',
    'composition',
    'kubernetes',
    'pods',
    'ops',
    'simulator',
    'smoke',
    'http-client',
    'printable',
    'doctor',
    'migration',
    'domain',
    'explain',
    'simulation',
    'history',
    ...['prompt/request', 'tokenizers/model-tokenizer', 'tokenizers/parity/comparison'],
  ],
  main: ['commands'],
};

/** Files of a part with a shorter list than the part has. */
const STRICTER: Readonly<Record<string, readonly string[]>> = {
  'routing/policy': [
    'domain',
    'routing/strategies/snapshot',
    'routing/strategies/prefix-cost',
    'routing/strategies/scores',
    'routing/strategies/session-affinity',
    'routing/strategies/least-engine-load',
    'routing/strategies/weighted',
  ],
  'routing/load': ['domain'],
  'routing/work/token-work': ['domain', 'time', 'routing/work/prefill-rate', 'routing/work/rates-by-kind'],
  'routing/work/prefill-rate': [],
  'routing/work/rates-by-kind': [],
};

/** Folders with a doorway: others import that file alone, and the folder itself imports nothing but what is listed. */
const ROOMS: Readonly<Record<string, { readonly doorway: string; readonly mayImport: readonly string[] }>> = {
  kubernetes: {
    doorway: 'kubernetes/kubernetes',
    mayImport: ['time', 'coalesced', 'printable', 'bounded-body'],
  },
  'events/wire': { doorway: 'events/wire/sockets', mayImport: ['slots', 'time'] },
  'events/decoding': { doorway: 'events/decoding/decoding', mayImport: ['domain', 'prompt/blocks'] },
  'events/stream': { doorway: 'events/stream/stream', mayImport: [] },
  'events/ingest': {
    doorway: 'events/ingest/ingest',
    mayImport: ['domain', 'cache', 'prefix-index', 'prompt/blocks', 'events/decoding/decoding'],
  },
};

/** The only places that may import a library. */
const DOORWAYS: Readonly<Record<string, readonly string[]>> = {
  zeromq: ['simulator/events', 'simulator/bound-socket'],
  '@grpc/grpc-js': ['extproc/grpc-port', 'extproc/health', 'extproc/protos', 'extproc/stream'],
  '@grpc/proto-loader': ['extproc/protos'],
  'grpc-health-check': ['extproc/health'],
  pkijs: ['tls/self-signed'],
  asn1js: ['tls/self-signed'],
  undici: ['prompt/engine/http', 'engine-api/probe', 'kubernetes/client', 'http-client'],
  'lru-cache': [
    'prompt/engine/token-cache',
    'prompt/engine/remote-tokenizer',
    'prompt/engine/pod-calls',
    'routing/prompt-history',
    'routing/response-owners',
    'events/ingest/start-contexts',
    'tokenizers/rendering/call-arguments',
    'tokenizers/segments/segment-cache',
  ],
  'gpt-tokenizer': ['prompt/local-tokenizer', 'simulator/tokenizer'],
  pino: ['ops/log/log'],
  'prom-client': ['ops/metrics/metrics', 'ops/metrics/read-metrics', 'ops/metrics/exposition'],
  commander: [
    'commands/command-line',
    'commands/engine',
    'commands/smoke',
    'commands/doctor',
    'commands/explain',
    'commands/option-values',
    'commands/migrate-from-aibrix',
    'commands/simulate',
    'commands/history',
    'commands/number-values',
    'commands/tokens',
  ],
  'd3-scale': ['simulation/report/plots'],
  'd3-shape': ['simulation/report/plots'],
  yaml: ['pods/pods-file', 'kubernetes/kubeconfig', 'migration/manifests', 'migration/report'],
  zod: [
    'ops/admin/dry-run-request',
    'settings/setting',
    'settings/values',
    'pods/pods-file',
    'pods/pod-fields',
    'pods/kubernetes/pod-object',
    'pods/kubernetes/pool-object',
    'pods/engine-profile',
    'prompt/engine/answers',
    'kubernetes/kubeconfig',
    'kubernetes/exec-plugin',
  ],
  '@huggingface/jinja': ['tokenizers/template/syntax/jinja'],
  '@opentelemetry/api': ['ops/telemetry', 'ops/observed', 'ops/tokenizer-spans'],
  '@opentelemetry/core': ['ops/observed', 'ops/tokenizer-spans'],
  '@opentelemetry/context-async-hooks': ['ops/telemetry'],
  '@opentelemetry/exporter-trace-otlp-grpc': ['ops/telemetry'],
  '@opentelemetry/exporter-trace-otlp-proto': ['ops/telemetry'],
  '@opentelemetry/resources': ['ops/telemetry'],
  '@opentelemetry/sdk-trace': ['ops/telemetry'],
};

const SRC = fileURLToPath(new URL('../src/', import.meta.url));
const BENCH = fileURLToPath(new URL('../bench/', import.meta.url));
const BUILT_IN = new Set(builtinModules);

interface Module {
  /** Relative to its folder, `src/` or another, without extension. */
  readonly name: string;
  readonly part: string;
  readonly source: string;
  readonly imports: readonly string[];
  readonly libraries: readonly string[];
}

/** Types alone, which refer to each other as the definitions do. */
const GENERATED = 'extproc/messages/';

const modules = modulesIn(SRC).filter(({ name }) => !name.startsWith(GENERATED));

function modulesIn(folder: string): Module[] {
  return globSync('**/*.ts', { cwd: folder })
    .sort()
    .map(file => readModule(folder, file));
}

function readModule(folder: string, file: string): Module {
  const source = readFileSync(resolve(folder, file), 'utf8');
  const specifiers = [...source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(match => match[1]!);
  const local = specifiers.filter(specifier => specifier.startsWith('.'));
  return {
    name: nameOf(file),
    part: partOf(nameOf(file)),
    source,
    imports: local.map(specifier => nameOf(relative(folder, resolve(folder, dirname(file), specifier)))),
    libraries: specifiers
      .filter(specifier => !specifier.startsWith('.') && !isBuiltIn(specifier))
      .map(packageOf),
  };
}

function isBuiltIn(specifier: string): boolean {
  return specifier.startsWith('node:') || BUILT_IN.has(specifier);
}

function nameOf(file: string): string {
  return file.replace(/\.ts$/, '');
}

function partOf(name: string): string {
  return name.split('/')[0]!;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

describe('The architecture', () => {
  it('has a rule for every part', () => {
    assert.sameMembers([...new Set(modules.map(({ part }) => part))], Object.keys(MAY_IMPORT));
  });

  for (const { name, part, imports } of modules) {
    it(`lets ${name} import only what its part may`, () => {
      const allowed = STRICTER[name] ?? [...(MAY_IMPORT[part] ?? []), part];
      const forbidden = imports.filter(
        target => !allowed.includes(target) && !allowed.includes(partOf(target)),
      );
      assert.deepEqual(forbidden, [], `${name} may import ${allowed.join(', ')}`);
    });
  }

  for (const [room, { doorway, mayImport }] of Object.entries(ROOMS)) {
    const isInside = (name: string) => name.startsWith(`${room}/`);

    it(`lets others into ${room} by its doorway alone`, () => {
      const others = modules.filter(({ name }) => !isInside(name));
      const used = others.flatMap(({ imports }) => imports.filter(isInside));
      assert.deepEqual([...new Set(used)], [doorway]);
    });

    it(`lets ${room} import only what it may`, () => {
      const used = modules.filter(({ name }) => isInside(name)).flatMap(({ imports }) => imports);
      assert.deepEqual(
        used.filter(
          target => !isInside(target) && !mayImport.includes(target) && !mayImport.includes(partOf(target)),
        ),
        [],
      );
    });
  }

  it('names the generated messages in one place', () => {
    const users = modules.filter(({ imports }) => imports.some(target => target.startsWith(GENERATED)));
    assert.deepEqual(
      users.map(({ name }) => name),
      ['extproc/wire'],
    );
  });

  it('gives each library one doorway', () => {
    const users = new Map<string, Set<string>>();
    for (const { name, libraries } of modules) {
      for (const library of libraries) users.set(library, (users.get(library) ?? new Set()).add(name));
    }
    assert.sameMembers([...users.keys()], Object.keys(DOORWAYS));
    for (const [library, names] of users) assert.sameMembers([...names], [...DOORWAYS[library]!], library);
  });

  it('has no folder with more than twenty files: that hides two ideas', () => {
    const folders = Map.groupBy(modules, ({ name }) => dirname(name));
    for (const [folder, files] of folders) assert.isAtMost(files.length, 20, folder);
  });

  it('reads the environment in config alone', () => {
    const readers = modules.filter(({ source }) => source.includes('process.env')).map(({ name }) => name);
    assert.deepEqual(readers, ['config']);
  });

  it('has no cycles', () => {
    assertNoCycles(new Map(modules.map(({ name, imports }) => [name, imports])));
  });
});

describe('The benchmarks', () => {
  const benches = modulesIn(BENCH);

  it('have no cycles', () => {
    assertNoCycles(new Map(benches.map(({ name, imports }) => [name, imports])));
  });

  it('have no folders that import each other', () => {
    const folders = new Map<string, Set<string>>();
    for (const { name, imports } of benches) {
      const own = dirname(name);
      const others = imports.map(target => dirname(target)).filter(target => target !== own);
      folders.set(own, new Set([...(folders.get(own) ?? []), ...others]));
    }
    assertNoCycles(folders);
  });
});

function assertNoCycles(imports: ReadonlyMap<string, Iterable<string>>): void {
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    assert.notInclude(path, name, `cycle: ${[...path, name].join(' → ')}`);
    if (done.has(name)) return;
    for (const target of imports.get(name) ?? []) visit(target, [...path, name]);
    done.add(name);
  };
  for (const name of imports.keys()) visit(name, []);
}
