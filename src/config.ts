import { SETTINGS, type Setting } from './settings.ts';

type Values = { readonly [Key in keyof typeof SETTINGS]: Value<(typeof SETTINGS)[Key]> };
/** Only settings without a default can be undefined. */
type Value<S> = S extends Setting<infer T, infer Fallback> ? T | Extract<Fallback, undefined> : never;

/** Where tokens come from, and what feeds the index. */
export type Mode =
  | { readonly kind: 'local'; readonly tokenizer: 'character' | 'tiktoken' }
  | { readonly kind: 'remote'; readonly fallback: 'character' | 'tiktoken' }
  | { readonly kind: 'remote_with_events' };

export interface Config extends Values {
  readonly mode: Mode;
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
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

export type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration of this process. */
export function loadConfig(): LoadedConfig {
  return readConfig(process.env);
}

export function readConfig(environment: Environment): LoadedConfig {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const effective: EffectiveSetting[] = [];
  for (const [key, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const given = givenFor(setting, environment);
    if (new Set(given.map(({ value }) => value)).size > 1 && setting.group === 'AIBrix') {
      problems.push(`${given.map(({ name }) => name).join(' and ')} contradict each other: set one of them`);
    }
    const name = given[0]?.name ?? setting.names[0];
    const text = given[0]?.value ?? setting.fallback;
    const source = given.length > 0 ? 'environment' : text === undefined ? 'unset' : 'default';
    effective.push({ name, value: text ?? '', source });
    if (text === undefined) continue;
    const read = setting.read.safeParse(text);
    if (read.success) values[key] = read.data;
    else problems.push(`${name}=${text}: ${read.error.issues.map(issue => issue.message).join(', ')}`);
  }
  const settings = values as unknown as Values;
  if (settings.kvEventSync && settings.useRemoteTokenizer === false) {
    problems.push(
      `${SETTINGS.kvEventSync.names.join(' / ')} is on but ${SETTINGS.useRemoteTokenizer.names.join(' / ')} is off: ` +
        'blocks are announced in the engines’ tokens, which only the engines’ tokenizer gives. Turn both on, or both off',
    );
  }
  if (problems.length > 0) return { kind: 'invalid', problems };
  return { kind: 'valid', config: Object.freeze({ ...settings, mode: modeOf(settings) }), effective };
}

/** An empty variable is an unset one, as docker-compose and Helm write it. */
function givenFor({ names }: Setting<unknown>, environment: Environment) {
  return names.flatMap(name => {
    const value = environment[name]?.trim();
    return value ? [{ name, value }] : [];
  });
}

function modeOf({ useRemoteTokenizer, kvEventSync, localTokenizer }: Values): Mode {
  const local = localTokenizer === 'tiktoken' ? 'tiktoken' : 'character';
  if (!useRemoteTokenizer) return { kind: 'local', tokenizer: local };
  return kvEventSync ? { kind: 'remote_with_events' } : { kind: 'remote', fallback: local };
}
