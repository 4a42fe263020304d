/**
 * What recording adds to a request of 4,000 tokens: before its answer goes to Envoy (its blocks are hashed, it is queued), and after (its
 * line is made). Nothing is written to a disk. Prints one line of JSON, microseconds.
 *
 *   node bench/read-path/record.ts [--block-tokens 512]
 */
import { parseArgs } from 'node:util';
import type { RoutedDecision, Tokens } from '../../src/domain.ts';
import { BlockHasher } from '../../src/prompt/blocks.ts';
import { ExchangeQueue } from '../../src/record/exchange-queue.ts';
import { FileSalt } from '../../src/record/file-salt.ts';
import { recordLine } from '../../src/record/record-line.ts';
import type { RecordedExchange } from '../../src/record/recorded-exchange.ts';
import { createRecorder } from '../../src/record/recorder.ts';
import type { PrefixFound, Route, RouteRequest } from '../../src/routing/route.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';

const { values } = parseArgs({ options: { 'block-tokens': { type: 'string', default: '512' } } });
const blockTokens = Number(values['block-tokens']);
const ROUNDS = 20_000;
const BATCHES = 9;

const ids = Uint32Array.from({ length: 4_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 14);
const hasher = new BlockHasher(12_345);
const root = hasher.root(
  { space: 'engine', model: 'demo', salt: '' },
  { sizeTokens: BLOCK_SIZE_TOKENS, lookaheadTokens: 0 },
);
const chain = hasher.chain(root, ids, BLOCK_SIZE_TOKENS);
const found = { finest: () => ({ root, chain }) } as PrefixFound;
const tokens: Tokens = { space: 'engine', ids };
const pod = { name: 'pod-1', ip: '10.0.0.1', port: 8_000, model: 'demo', aliases: [], labels: {} };
const decided = (): RoutedDecision => ({
  kind: 'routed',
  ...{ pod: { ...pod, kvEvents: { kind: 'none' } }, rank: undefined, retries: [], model: 'demo' },
  strategy: { kind: 'single', name: 'prefix-cache', text: 'prefix-cache' },
  ...{
    reason: 'prefix_match',
    arm: 'routed',
    withoutTokens: undefined,
    matchedBlocks: 187,
    totalBlocks: 250,
  },
  offGpu: { cpu: 0, storage: 0 },
  tokens: { space: 'engine', prompt: 4_000, blockSizeTokens: 16, gpu: 2_992, cpu: 0, storage: 0 },
});

const queue = new ExchangeQueue({ patienceMs: 1e9, fullBytes: 1e9, maxBytes: 1e9 });
let last: RecordedExchange | undefined;
const recorder = createRecorder({
  ...{ blockTokens, now: () => performance.now() },
  onDecided(exchange) {
    queue.add(exchange);
    last = exchange;
  },
});
const bare = routeBy(() => {});
const recorded = recorder.route(routeBy(decision => recorder.lookedUp(decision, tokens, found)));
const request = { path: '/v1/completions' } as RouteRequest;
const { signal } = new AbortController();
const answer = { status: 200, servedBy: undefined };

const without = await median(() => exchanges(bare));
const withRecorder = await median(() => exchanges(recorded));
const context = { salt: new FileSalt(), startedAt: 0, began: 0, blockTokens };
const line = await median(() => {
  for (let i = 0; i < ROUNDS; i++) recordLine(last!, context);
});
console.log(JSON.stringify({ blockTokens, request: withRecorder - without, line }));

function routeBy(chosen: (decision: RoutedDecision) => void): Route {
  return async () => {
    const decision = decided();
    chosen(decision);
    const nothing = { course: undefined, readAnswer: undefined };
    return { decision, ...nothing, answered: () => decision.pod, release: () => {} };
  };
}

async function exchanges(route: Route): Promise<void> {
  for (let i = 0; i < ROUNDS; i++) {
    const outcome = await route(request, signal);
    outcome.answered(answer);
    outcome.release();
    if (queue.size > 0) queue.shift();
  }
}

/** Microseconds of one round. */
async function median(work: () => Promise<void> | void): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < BATCHES; i++) {
    const started = performance.now();
    await work();
    times.push((1_000 * (performance.now() - started)) / ROUNDS);
  }
  return times.sort((one, other) => one - other)[BATCHES >> 1]!;
}
