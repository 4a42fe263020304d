/** In a process of its own: the whole server, and what it costs. Its argument is the pods file. Ends when nobody listens to it. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../src/config.ts';
import { createLogger } from '../../src/ops/log/log.ts';
import { serve } from '../../src/serve.ts';
import { residentBytes } from '../support/memory.ts';

/** What happened since the last look. */
export interface Look {
  readonly live: number;
  readonly blocks: number;
  readonly residentMb: number;
  /** Of one core. */
  readonly cpuPercent: number;
  /** Milliseconds that the event loop was late. */
  readonly delayP99: number;
  readonly delayMax: number;
}

const podsFile = process.argv[2]!;
const LOOK_MS = 50;
/** `monitorEventLoopDelay` counts its own timer. */
const RESOLUTION_MS = 1;

process.on('disconnect', () => process.exit());
const loaded = readConfig({
  WARMROUTE_GRPC_ADDRESS: '127.0.0.1:0',
  WARMROUTE_ADMIN_ADDRESS: '127.0.0.1:0',
  AIBRIX_USE_REMOTE_TOKENIZER: 'true',
  AIBRIX_KV_EVENT_SYNC_ENABLED: 'true',
  WARMROUTE_DRAIN_MS: '0',
});
if (loaded.kind === 'invalid') throw new Error(loaded.problems.join('\n'));
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
const log = createLogger({ level: 'error' });
const server = await serve({ ...loaded.config, podsFile }, { log });
let since = { at: performance.now(), cpu: process.cpuUsage() };

process.on(
  'message',
  (order: { readonly live?: { readonly generation: number; readonly count: number } }) => void answer(order),
);
process.send!({ port: server.adminPort });

async function answer({ live }: { readonly live?: { readonly generation: number; readonly count: number } }) {
  if (live !== undefined) while (liveOf(live.generation) < live.count) await sleep(LOOK_MS);
  const { user, system } = process.cpuUsage(since.cpu);
  const cpuPercent = (user + system) / 10 / (performance.now() - since.at);
  const [delayP99, delayMax] = [delay.percentile(99), delay.max].map(ns => ns / 1e6 - RESOLUTION_MS);
  const look: Look = {
    ...{ live: liveOf(0) + liveOf(1), blocks: server.cache.index.size().blocks },
    ...{ cpuPercent, delayP99: delayP99!, delayMax: delayMax! },
    // Last: it collects the garbage, which is not to be timed.
    residentMb: residentBytes() / 2 ** 20,
  };
  process.send!(look);
  delay.reset();
  since = { at: performance.now(), cpu: process.cpuUsage() };
}

function liveOf(generation: number): number {
  return server
    .publishers()
    .filter(({ pod, state }) => state === 'live' && pod.startsWith(`engine-${generation}-`)).length;
}
