/** AIBrix's environment variables: which are kept, what they mean here, and which are not taken over. */
import { SETTINGS, type Setting, withoutEffect } from '../settings/settings.ts';
import { type Finding, finding } from './finding.ts';
import type { Variable } from './gateway.ts';

/** What becomes of the variables of a gateway plugin. */
export interface TakenVariables {
  /** Warmroute's settings, by name, as text. */
  readonly config: ReadonlyMap<string, string>;
  /** Those whose values the manifests do not show, as Kubernetes writes them. */
  readonly extraEnv: readonly object[];
  readonly findings: readonly Finding[];
}

const settings = Object.values<Setting<unknown>>(SETTINGS);

/** What a variable that is kept means otherwise here; see docs/configuration.md. */
const DIFFERS: Readonly<Record<string, string>> = {
  AIBRIX_PREFIX_CACHE_BLOCK_SIZE:
    'counts without KV-cache events only; with them the block size is the engines’ own',
  AIBRIX_PREFIX_CACHE_HASH_SEED: 'its lower 32 bits are used; no two processes need the same one',
  AIBRIX_GRPC_MAX_MESSAGE_SIZE_BYTES: 'is raised to what WARMROUTE_MAX_BODY_BYTES needs',
  AIBRIX_TOKENIZER_REQUEST_TIMEOUT:
    'bounds one tokenization in seconds (AIBrix multiplies what it has parsed once more); the whole decision ends after WARMROUTE_DECISION_TIMEOUT_MS',
};

const AS_BEFORE = 'as before';
const BEARER_TOKEN = 'AIBRIX_AUTH_BEARER_TOKEN';
const SYNC = SETTINGS.kvEventSync.names;
const REMOTE = SETTINGS.useRemoteTokenizer.names;

/** Of OpenTelemetry's variables, those with credentials. */
const SECRET = /HEADERS|PASSWORD|TOKEN|SECRET|KEY/;

/** Set by the chart itself. */
const OF_THE_CHART: ReadonlySet<string> = new Set(['POD_NAME', 'POD_NAMESPACE']);

/** What becomes of one variable, and what is said of it. */
interface Fate {
  readonly findings: readonly Finding[];
  /** Of a setting of Warmroute. */
  readonly text?: string;
  /** As Kubernetes writes it. */
  readonly entry?: object;
}

export function takeVariables(variables: readonly Variable[]): TakenVariables {
  const fates = variables.map(variable => ({ name: variable.name, ...fateOf(variable) }));
  const config = new Map(fates.flatMap(({ name, text }) => (text === undefined ? [] : [[name, text]])));
  const findings = fates.flatMap(fate => fate.findings);
  return {
    config: withTokenizer(config, findings),
    extraEnv: fates.flatMap(({ entry }) => entry ?? []),
    findings,
  };
}

function fateOf(variable: Variable): Fate {
  const { name } = variable;
  if (OF_THE_CHART.has(name)) return { findings: [] };
  const noted = (weight: Finding['weight'], text: string) => [finding(weight, name, text)];
  if (name === BEARER_TOKEN) {
    return {
      findings: noted(
        'first',
        'keys are not checked here, and Warmroute refuses to start with it: have Envoy check them before (SecurityPolicy with apiKeyAuth or jwt)',
      ),
    };
  }
  const setting = settings.find(({ names }) => names.includes(name));
  if (setting === undefined && !name.startsWith('OTEL_')) return { findings: [withoutPlace(name)] };
  if (variable.kind === 'reference') {
    const text = 'its value is not in the manifests: see that it is one that Warmroute takes';
    return { entry: { name, valueFrom: variable.from }, findings: noted('kept', text) };
  }
  if (setting === undefined) {
    if (!SECRET.test(name))
      return { entry: { name, value: variable.value }, findings: noted('kept', AS_BEFORE) };
    const text =
      'may hold a secret, so its value is not copied: put it into a Secret, and name that in extraEnv';
    return { findings: noted('first', text) };
  }
  const text = valueHere(name, variable.value);
  if (text === '') return { findings: [] };
  const { error } = setting.read.safeParse(text);
  if (error !== undefined) {
    const why = error.issues.map(({ message }) => message).join('; ');
    return { findings: noted('first', `${shortened(text)} is refused here: ${why}`) };
  }
  const difference = DIFFERS[name];
  return {
    text,
    findings: difference === undefined ? noted('kept', AS_BEFORE) : noted('differs', difference),
  };
}

function withoutPlace(name: string): Finding {
  const without = withoutEffect(name);
  return finding('dropped', name, without ? `without effect here: ${without.why}` : 'is not known here');
}

/** Spellings that AIBrix takes, and Warmroute in another form. */
function valueHere(name: string, value: string): string {
  const isProtocol = SETTINGS.otlpProtocol.names.some(each => each === name);
  return isProtocol && value === 'http' ? 'http/protobuf' : value.trim();
}

/** AIBrix's router takes up the remote tokenizer by itself with KV event sync; here both are to be said. */
function withTokenizer(
  config: ReadonlyMap<string, string>,
  findings: Finding[],
): ReadonlyMap<string, string> {
  const isOn = (names: readonly string[]) => names.some(name => /^(1|t|true)$/i.test(config.get(name) ?? ''));
  if (!isOn(SYNC) || isOn(REMOTE)) return config;
  findings.push(
    finding(
      'differs',
      REMOTE[0],
      'is set to true: KV event sync needs the engines’ tokens, which AIBrix turns on by itself',
    ),
  );
  return new Map([
    ...[...config].filter(([name]) => !REMOTE.some(each => each === name)),
    [REMOTE[0], 'true'],
  ]);
}

function shortened(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
