/**
 * The whole server, with a tokenizer that answers at once, and a pod that holds half of every prompt. Forked by its bench,
 * which may name the address of its admin port.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import type { EngineLanes } from '../../src/domain.ts';
import { createLogger } from '../../src/ops/log/log.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { BlockHasher } from '../../src/prompt/blocks.ts';
import type { PromptRequest } from '../../src/prompt/request.ts';
import { serve } from '../../src/serve.ts';
import { answerBench } from '../support/servers.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';
import { bodyOf, MODEL, tokensOf, WARM_POD } from './extproc-request.ts';

const SEED = 1;
const HASHER = new BlockHasher(SEED);
const BODY_BYTES = [4_000, 220_000];

const folder = mkdtempSync(join(tmpdir(), 'warmroute-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
const podsFile = join(folder, 'pods.json');
const pods = [WARM_POD - 1, WARM_POD, WARM_POD + 1].map(port => ({
  name: `pod-${port}`,
  address: '127.0.0.1',
  port,
  model: MODEL,
}));
writeFileSync(podsFile, JSON.stringify({ pods }));
const loaded = readConfig({
  WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0',
  WARMROUTE_ADMIN_ADDRESS: process.argv[2] ?? '127.0.0.1:0',
  AIBRIX_USE_REMOTE_TOKENIZER: 'true',
  AIBRIX_KV_EVENT_SYNC_ENABLED: 'true',
  AIBRIX_PREFIX_CACHE_HASH_SEED: String(SEED),
  // All go to the warm pod, however many at once.
  AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT: '1000',
  AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR: '1000',
});
if (loaded.kind === 'invalid') throw new Error(loaded.problems.join('\n'));

const tokensByLength = new Map(
  BODY_BYTES.map(bytes => {
    const { prompt } = JSON.parse(bodyOf(bytes).toString()) as { readonly prompt: string };
    return [prompt.length, tokensOf(prompt)];
  }),
);
const { cache, grpcPort } = await serve(
  { ...loaded.config, podsFile },
  {
    log: createLogger({ level: 'error' }),
    tokenizer: {
      tokenize: async ({ content }: PromptRequest) => ({
        space: 'engine',
        ids: tokensByLength.get(content.kind === 'text' ? content.text.length : 0)!,
      }),
      close: async () => {},
    },
  },
);
const holder = cache.holders.ensure(`pod-${WARM_POD}`, { kind: 'gpu', rank: 0 });
cache.catalog.note(holder, MODEL, { sizeTokens: BLOCK_SIZE_TOKENS, lookaheadTokens: 0 }, 'base');
const root = HASHER.root(
  { space: 'engine', model: MODEL, salt: '' },
  { sizeTokens: BLOCK_SIZE_TOKENS, lookaheadTokens: 0 },
);
const longest = [...tokensByLength.values()].at(-1)!;
const chain = HASHER.chain(root, longest.subarray(0, longest.length / 2), BLOCK_SIZE_TOKENS);
cache.index.store(holder, chain, {
  after: START,
  engineHashes: chain.lanes as Uint32Array as EngineLanes,
  again: 'copy',
});
answerBench(grpcPort);
