/** The whole server with the pods of a bench, and what one of them holds. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import type { EngineLanes } from '../../src/domain.ts';
import { createLogger } from '../../src/ops/log/log.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { BlockHasher } from '../../src/prompt/blocks.ts';
import { type RunningServer, type ServeParts, serve } from '../../src/serve.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';

const SEED = 1;
const HASHER = new BlockHasher(SEED);
const FORM = { sizeTokens: BLOCK_SIZE_TOKENS, lookaheadTokens: 0 };

export interface BenchPod {
  readonly port: number;
  readonly model: string;
  /** Directory of its tokenizer files. */
  readonly tokenizer?: string;
}

/** Named `pod-` and their port, on this machine. */
export async function serveWith(
  pods: readonly BenchPod[],
  environment: Readonly<Record<string, string>>,
  parts: Omit<ServeParts, 'log'> = {},
): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'warmroute-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true }));
  const podsFile = join(folder, 'pods.json');
  const entries = pods.map(pod => ({ name: nameOf(pod.port), address: '127.0.0.1', ...pod }));
  writeFileSync(podsFile, JSON.stringify({ pods: entries }));
  const loaded = readConfig({
    WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0',
    WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:0',
    AIBRIX_USE_REMOTE_TOKENIZER: 'true',
    AIBRIX_KV_EVENT_SYNC_ENABLED: 'true',
    AIBRIX_PREFIX_CACHE_HASH_SEED: String(SEED),
    // All go to the warm pod, however many at once.
    AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT: '1000',
    AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR: '1000',
    ...environment,
  });
  if (loaded.kind === 'invalid') throw new Error(loaded.problems.join('\n'));
  return serve({ ...loaded.config, podsFile }, { log: createLogger({ level: 'error' }), ...parts });
}

/** From now on the pod holds the beginning of these prompts. */
export function hold(
  { cache }: Pick<RunningServer, 'cache'>,
  { port, model }: BenchPod,
  prompts: Iterable<Uint32Array>,
): void {
  const holder = cache.holders.ensure(nameOf(port), { kind: 'gpu', rank: 0 });
  cache.catalog.note(holder, model, FORM, 'base');
  const root = HASHER.root({ space: 'engine', model, salt: '' }, FORM);
  for (const ids of prompts) {
    const chain = HASHER.chain(root, ids, BLOCK_SIZE_TOKENS);
    cache.index.store(holder, chain, {
      after: START,
      engineHashes: chain.lanes as Uint32Array as EngineLanes,
      again: 'copy',
    });
  }
}

function nameOf(port: number): string {
  return `pod-${port}`;
}
