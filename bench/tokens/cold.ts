/**
 * Prompts of which nothing is known, from body to block hashes, and for how long the event loop stood still meanwhile. Prints one line
 * of JSON, times in milliseconds.
 *
 *   node bench/tokens/cold.ts --tokenizer DIR
 */
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SegmentCache } from '../../src/tokenizers/segments/segment-cache.ts';
import { percentile } from '../support/stats.ts';
import { coldBodies, SIZES } from './cold-bodies.ts';
import { DEFAULT_SEGMENTS_BYTES, loadModel } from './exact-blocks.ts';

/** How often the event loop has its timer; what a stop counts for may be longer by as much. */
const RESOLUTION_MS = 1;

const { values } = parseArgs({ options: { tokenizer: { type: 'string', default: '' } } });
const load = () => loadModel(values.tokenizer, new SegmentCache(DEFAULT_SEGMENTS_BYTES));
const measuring = await load();
const { warmUp, counted } = await coldBodies(measuring);
await measuring.close();
const model = await load();
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
/** A garbage collection stops the event loop, too, whatever for. */
let collectedMs = 0;
const collections = new PerformanceObserver(list => {
  for (const { duration } of list.getEntries()) collectedMs = Math.max(collectedMs, duration);
});
collections.observe({ entryTypes: ['gc'] });

let firstMs = 0;
for (const body of warmUp) {
  const { tookMs } = await watched(() => model.blocksOf(body));
  firstMs ||= tookMs;
}
const sizes: Record<string, object> = {};
for (const size of SIZES) {
  const times: number[] = [];
  const stops: number[] = [];
  const collecting: number[] = [];
  const idle: number[] = [];
  let tokens = 0;
  for (const body of counted[size]) {
    const { tookMs, stoppedMs, collectedMs, result } = await watched(() => model.blocksOf(body));
    times.push(tookMs);
    if (collectedMs === 0) stops.push(stoppedMs);
    else collecting.push(collectedMs);
    tokens += result.ids.length / counted[size].length;
    if (result.newCharacters < 0.9 * result.characters) throw new Error('known already');
    // What this machine does to a process that does nothing.
    idle.push((await watched(() => setTimeout(tookMs))).stoppedMs);
  }
  const all = Float64Array.from(times);
  const [p50, p99] = [percentile(all, 0.5), percentile(all, 0.99)];
  const blocked = { p50: percentile(Float64Array.from(stops), 0.5), max: Math.max(...stops) };
  const collected = { requests: collecting.length, max: Math.max(0, ...collecting) };
  sizes[size] = { requests: times.length, tokens, p50, p99, blocked, collected, idle: Math.max(...idle) };
}
delay.disable();
collections.disconnect();
await model.close();
console.log(JSON.stringify({ firstMs, ...sizes }));

interface Watched<T> {
  readonly result: T;
  readonly tookMs: number;
  /** Longest time between two turns of the event loop's timer. */
  readonly stoppedMs: number;
  /** The longest garbage collection; 0: there was none. */
  readonly collectedMs: number;
}

async function watched<T>(work: () => Promise<T>): Promise<Watched<T>> {
  // The timer has run, so that what counts begins with this turn.
  await setTimeout(2 * RESOLUTION_MS);
  delay.reset();
  collectedMs = 0;
  const started = performance.now();
  const result = await work();
  const tookMs = performance.now() - started;
  await setTimeout(2 * RESOLUTION_MS);
  return { result, tookMs, stoppedMs: delay.max / 1e6, collectedMs };
}
