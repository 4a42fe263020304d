/** Programs of others, where they can be built on this machine. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runProgram } from './programs.ts';

const run = promisify(execFile);
const BUILD_TIMEOUT_MS = 1_200_000;

/** smg's run-compressed chain index, which fills a list of scores. */
export const SMG = 'smg-chain-into';

export interface PeerTrace {
  readonly ops_per_s: number;
  readonly find: { readonly p50_us: number; readonly p99_us: number };
  readonly find2_ops_per_s: number;
  readonly sum_best: number;
  readonly sum_all: number;
  readonly sum_holders: number;
  readonly sum_own: number;
}

export interface PeerMicro {
  readonly find: { readonly p50_us: number };
  readonly all: number;
}

export interface Peers {
  readonly index:
    | {
        trace(holders: number, path: string): Promise<PeerTrace>;
        micro(blocks: number, holders: number): Promise<PeerMicro>;
      }
    | undefined;
  /** A program that starts the least that an ext_proc server in Go can be. */
  readonly extproc: string | undefined;
}

export const NO_PEERS: Peers = { index: undefined, extproc: undefined };

/** @param folder with `index/`, built by cargo, and `extproc/run.sh`, which needs go */
export async function buildPeers(folder: string): Promise<Peers> {
  const extproc = join(folder, 'extproc', 'run.sh');
  return {
    index: (await isThere('cargo', '--version')) ? await buildIndex(join(folder, 'index')) : undefined,
    extproc: existsSync(extproc) && (await isThere('go', 'version')) ? extproc : undefined,
  };
}

async function buildIndex(folder: string): Promise<Peers['index']> {
  const manifest = join(folder, 'Cargo.toml');
  if (!existsSync(manifest)) return undefined;
  const target = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'peer-index');
  const args = ['build', '--release', '--quiet', '--manifest-path', manifest];
  const env = { ...process.env, CARGO_TARGET_DIR: target };
  await run('cargo', args, { env, timeout: BUILD_TIMEOUT_MS });
  const program = join(target, 'release', 'peer-index');
  return {
    trace: (holders, path) => runProgram(program, ['mooncake', SMG, String(holders), path]),
    micro: (blocks, holders) => runProgram(program, ['micro', SMG, String(blocks), String(holders)]),
  };
}

function isThere(program: string, question: string): Promise<boolean> {
  return run(program, [question]).then(
    () => true,
    () => false,
  );
}
