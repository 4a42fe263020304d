import type { Strategy } from './domain.ts';
import { SETTINGS, type Setting, type WithoutEffect, withoutEffect } from './settings/settings.ts';
import { defaultTls, type TlsKind, tlsProblems } from './settings/tls.ts';
import { asksEngines, tokenizerProblems } from './settings/tokenizers.ts';
import { MASK, secret } from './settings/values.ts';

type Values = { readonly [Key in keyof typeof SETTINGS]: Value<(typeof SETTINGS)[Key]> };
/** Only settings without a default can be undefined. */
type Value<S> = S extends Setting<infer T, infer Fallback> ? T | Extract<Fallback, undefined> : never;

/**
 * Where tokens come from, and what feeds the index. What the router tokenizes by a model's tokenizer files are the engine's tokens, in
 * every mode (`tokenizer` in Config); the mode says what follows where it cannot. `local…`: no engine is asked.
 */
export type Mode =
  | { readonly kind: 'local'; readonly tokenizer: 'character' | 'tiktoken' }
  | { readonly kind: 'remote'; readonly fallback: 'character' | 'tiktoken' }
  | { readonly kind: 'local_with_events' }
  | { readonly kind: 'remote_with_events' };

/** Whether engines' events feed the index. */
export function usesEvents({ kind }: Mode): boolean {
  return kind === 'local_with_events' || kind === 'remote_with_events';
}

export interface Config extends Omit<Values, 'strategy'> {
  /** Of requests that ask for none. */
  readonly strategy: Strategy;
  readonly mode: Mode;
  readonly tls: TlsKind;
  /** The same; `pass`: Envoy's routes decide. */
  readonly defaultStrategy: Strategy | 'pass';
}

/** One setting as it is in force. */
export interface EffectiveSetting {
  readonly name: string;
  readonly value: string;
  readonly source: 'environment' | 'default' | 'unset';
}

export type LoadedConfig =
  | { readonly kind: 'valid'; readonly config: Config; readonly effective: readonly EffectiveSetting[] }
  /** Every mistake there is, each naming the variable and what to write. */
  | {
      readonly kind: 'invalid';
      readonly problems: readonly string[];
      /** So that a checker can look at this file too. */
      readonly podsFile: string | undefined;
    };

/** AIBrix's own check of clients. Whoever relied on it must not lose it unnoticed. */
const CLIENT_KEY = 'AIBRIX_AUTH_BEARER_TOKEN';

/** What Kubernetes puts into every container for a Service that is called warmroute, aibrix-something or redis. */
const FROM_KUBERNETES =
  /^(WARMROUTE|AIBRIX|REDIS|PROMETHEUS)(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

export type Environment = Readonly<Record<string, string | undefined>>;

/** For what is no setting: the variables by which the Kubernetes API is found. */
export function processEnvironment(): Environment {
  return process.env;
}

/** The configuration of this process. */
export function loadConfig(): LoadedConfig {
  return readConfig(process.env);
}

/** Variables that look like ours and are not: most likely misspelt. They change nothing. */
export function unknownNames(environment: Environment = process.env): string[] {
  return Object.keys(environment).filter(
    name =>
      /^(WARMROUTE|AIBRIX)_/.test(name) &&
      !NAMES.has(name) &&
      withoutEffect(name) === undefined &&
      !FROM_KUBERNETES.test(name),
  );
}

/** Variables of AIBrix that are set and change nothing here, and why. */
export function namesWithoutEffect(environment: Environment = process.env): WithoutEffect[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    const found = value?.trim() && !FROM_KUBERNETES.test(name) ? withoutEffect(name) : undefined;
    return found === undefined ? [] : [{ name, why: found.why }];
  });
}

const NAMES: ReadonlySet<string> = new Set([
  ...Object.values<Setting<unknown>>(SETTINGS).flatMap(({ names }) => names),
  CLIENT_KEY,
]);

export function readConfig(environment: Environment): LoadedConfig {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const effective: EffectiveSetting[] = [];
  for (const [key, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const given = givenFor(setting, environment);
    const name = given[0]?.name ?? setting.names[0];
    const text = given[0]?.value ?? setting.fallback;
    const source = given.length > 0 ? 'environment' : text === undefined ? 'unset' : 'default';
    effective.push({ name, value: shown(setting, text ?? ''), source });
    if (text === undefined) continue;
    const read = readAll(setting, given.length > 0 ? given : [{ name, value: text }]);
    problems.push(...read.problems);
    values[key] = read.value;
  }
  const settings = values as unknown as Values;
  const isExact = settings.tokenizer === 'local' || settings.tokenizer === 'auto';
  if (settings.kvEventSync && settings.useRemoteTokenizer === false && !isExact) {
    problems.push(
      `${SETTINGS.kvEventSync.names.join(' / ')} is on but ${SETTINGS.useRemoteTokenizer.names.join(' / ')} is off: ` +
        'blocks are announced in the engines’ tokens, which only the engines’ tokenizer gives. Turn both on, or both off; ' +
        `or set ${SETTINGS.tokenizer.names[0]} to auto or local, with the models’ tokenizer files (docs/tokenizing.md)`,
    );
  }
  problems.push(...tokenizerProblems(settings));
  const tls = settings.tls ?? defaultTls(settings);
  problems.push(...tlsProblems({ ...settings, tls }));
  if (environment[CLIENT_KEY]) {
    problems.push(
      `${CLIENT_KEY} is set, but client keys are not checked here and every request would pass: let Envoy check them ` +
        '(its API key, JWT or ext_authz filter before ext_proc), and unset it',
    );
  }
  if (problems.length > 0) return { kind: 'invalid', problems, podsFile: settings.podsFile };
  const mode = Object.freeze(modeOf(settings));
  const strategy = settings.strategy ?? strategyFor(mode);
  const isUnset = settings.strategy === undefined;
  const config = Object.freeze({
    ...settings,
    ...{ tls, mode, strategy },
    defaultStrategy: isUnset && settings.unsetStrategy === 'pass' ? 'pass' : strategy,
  });
  return {
    kind: 'valid',
    config,
    effective: effective
      .map(each => withDefault(each, SETTINGS.tls, tls))
      .map(each => withDefault(each, SETTINGS.strategy, strategy.text)),
  };
}

/** Queues in tokens say more than requests in flight where engines announce what they compute. */
function strategyFor(mode: Mode): Strategy {
  const name = usesEvents(mode) ? 'prefix-cost' : 'prefix-cache';
  return { kind: 'single', name, text: name };
}

/** What is in force of a setting whose default depends on others. */
function withDefault(
  effective: EffectiveSetting,
  { names }: Setting<unknown>,
  value: string,
): EffectiveSetting {
  return effective.name === names[0] && effective.source === 'unset'
    ? { ...effective, value, source: 'default' }
    : effective;
}

interface Given {
  readonly name: string;
  readonly value: string;
}

/** AIBrix's two spellings of a switch mean the same and must agree; OpenTelemetry's first, narrower one wins. */
function readAll(
  setting: Setting<unknown>,
  given: readonly Given[],
): { value?: unknown; problems: string[] } {
  const problems: string[] = [];
  const values = new Set<unknown>();
  for (const { name, value } of setting.group === 'OpenTelemetry' ? given.slice(0, 1) : given) {
    const read = setting.read.safeParse(value);
    if (read.success) values.add(read.data);
    else
      problems.push(
        `${name}=${shown(setting, value)}: ${read.error.issues.map(issue => issue.message).join(', ')}`,
      );
  }
  if (problems.length > 0) return { problems };
  const [value, ...others] = values;
  if (others.length === 0) return { value, problems };
  return {
    problems: [`${given.map(({ name }) => name).join(' and ')} contradict each other: set one of them`],
  };
}

/** What is printed must not hold a secret, nor the password of a URL. */
function shown({ read }: Setting<unknown>, value: string): string {
  return value && read === secret ? MASK : value.replace(/\/\/[^/@\s]*@/, `//${MASK}@`);
}

/** An empty variable is an unset one, as docker-compose and Helm write it. */
function givenFor({ names }: Setting<unknown>, environment: Environment): Given[] {
  return names.flatMap(name => {
    const value = environment[name]?.trim();
    return value ? [{ name, value }] : [];
  });
}

function modeOf(settings: Values): Mode {
  const { kvEventSync, localTokenizer } = settings;
  const local = localTokenizer === 'tiktoken' ? 'tiktoken' : 'character';
  if (asksEngines(settings))
    return kvEventSync ? { kind: 'remote_with_events' } : { kind: 'remote', fallback: local };
  return kvEventSync ? { kind: 'local_with_events' } : { kind: 'local', tokenizer: local };
}
