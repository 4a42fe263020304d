/**
 * The trace workload again and again, on holders that are too small for it: a holder's least recently used sequence gives up its
 * tail, one removal per block, as engines do. Prints one line of JSON, with what there was after each pass.
 *
 *   node bench/index/churn.ts [--trace FILE] [--holders 1000] [--limit 12000] [--passes 3] [--requests 2000] [--index radix-tree]
 */

import { parseArgs } from 'node:util';
import type { HolderId } from '../../src/domain.ts';
import { type BlockLanes, type EngineLanes, engineHash } from '../../src/domain.ts';
import { START } from '../../src/prefix-index/prefix-index.ts';
import { RunIndex } from '../../src/prefix-index/run-index.ts';
import { residentBytes } from '../support/memory.ts';
import { microseconds } from '../support/stats.ts';
import { chainAt, holderOf, loadTrace } from '../support/trace.ts';
import { createIndex } from './create-index.ts';
import { EngineCache } from './engine-cache.ts';

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    holders: { type: 'string', default: '1000' },
    limit: { type: 'string', default: '12000' },
    passes: { type: 'string', default: '3' },
    requests: { type: 'string' },
    index: { type: 'string', default: 'runs' },
  },
});
const holders = Number(values.holders);
const passes = Number(values.passes);
const trace = await loadTrace(values.trace);
const requests = Math.min(trace.requests, Number(values.requests ?? trace.requests));

/** What happens is known before anything counts: the engines' own caches are larger than the index, and not what is measured. */
let caches: EngineCache[] | undefined = Array.from(
  { length: holders },
  () => new EngineCache(Number(values.limit)),
);
const steps = Array.from({ length: passes * requests }, (_, number) => {
  // Another holder in each pass, so that there is as much to store in the last one as in the first.
  const owner = holderOf(number, holders) as HolderId;
  const cache = caches![owner]!;
  const used = cache.use(chainAt(trace, number % requests));
  return { owner, ...used, size: cache.size };
});
caches = undefined;

/** Removals in a batch of events. */
const AT_ONCE = 64;

const before = residentBytes();
const index = createIndex(values.index);
const findTimes = new Float64Array(steps.length);
let indexMs = 0;
let changed = 0;
const afterPass: unknown[] = [];
for (const [number, { owner, held, cached, evicted, size }] of steps.entries()) {
  const chain = chainAt(trace, number % requests);
  const started = performance.now();
  const found = index.find(chain);
  findTimes[number] = performance.now() - started;
  if (found.depthOf(owner) !== held)
    throw new Error(`request ${number}: ${found.depthOf(owner)} blocks, not ${held}`);

  const startedChanging = performance.now();
  for (let at = 0; at < evicted.length; at += 2) {
    // As the event feed does for the removals of one batch.
    if (index instanceof RunIndex && at % (2 * AT_ONCE) === 0)
      index.prefetch(evicted as EngineLanes, at / 2, Math.min(AT_ONCE, (evicted.length - at) / 2));
    index.remove(owner, engineHash(evicted[at]!, evicted[at + 1]!));
  }
  if (held < cached) {
    const lanes = chain.lanes.subarray(2 * held, 2 * cached);
    // Our hashes will do for an engine's.
    const parent = engineHash(chain.lanes[2 * held - 2]!, chain.lanes[2 * held - 1]!);
    const after = held === 0 ? START : index.locate(owner, parent)!;
    const missing = {
      blockSizeTokens: chain.blockSizeTokens,
      length: cached - held,
      lanes: lanes as BlockLanes,
    };
    index.store(owner, missing, { after, engineHashes: lanes as EngineLanes, again: 'copy' });
  }
  indexMs += performance.now() - startedChanging;
  changed += evicted.length / 2 + cached - held;
  if (index instanceof RunIndex && index.held(owner) !== size)
    throw new Error(`request ${number}: ${index.held(owner)} blocks, not ${size}`);
  if ((number + 1) % requests > 0) continue;
  afterPass.push({
    ...index.size(),
    ...(index instanceof RunIndex && { runs: index.runs, indexBytes: index.bytes }),
    residentBytes: residentBytes() - before,
  });
}
if (index instanceof RunIndex) index.check();
const inLastPass = findTimes.slice((passes - 1) * requests);
console.log(
  JSON.stringify({
    trace: trace.name,
    holders,
    passes,
    blocksPerSecond: (1_000 * changed) / indexMs,
    changed,
    find: microseconds(inLastPass),
    afterPass,
  }),
);
