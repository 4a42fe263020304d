/**
 * The write path for as long as two million events take, under caches that are always full: what it remembers is what they
 * hold, and not what they ever held.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assert } from 'chai';
import type { SoakSample } from '../support/soak.ts';
import type { SoakCourse, SoakOutcome } from '../support/soak-process.ts';

const STAGES = 40;
const ENGINES = [
  { name: 'engine-0', eventEncoding: 'map', cacheBlocks: 2_000, blockSizeTokens: 8 },
  { name: 'engine-1', eventEncoding: 'map', cacheBlocks: 3_000, blockSizeTokens: 8 },
  { name: 'engine-2', eventEncoding: 'array', cacheBlocks: 2_000, blockSizeTokens: 8 },
  { name: 'engine-3', eventEncoding: 'array', cacheBlocks: 500, blockSizeTokens: 8 },
] as const;
const CACHE_BLOCKS = ENGINES.reduce((sum, { cacheBlocks }) => sum + cacheBlocks, 0);

/** From the second quarter to the last: half a byte for each event in between. Chance makes a tenth of it. */
const MAX_HEAP_GROWTH_BYTES = 500_000;
/** Of what the index takes, and of its runs. Chance, which decides how many blocks the caches share, makes half of it. */
const MAX_INDEX_GROWTH = 1.05;
const MIB = 1024 * 1024;
const TIMEOUT_MS = 120_000;

/** In a process of its own: its heap is nobody else's, and the counters of coverage do not slow it to less than half. */
async function soak(course: SoakCourse): Promise<SoakOutcome> {
  const program = fileURLToPath(new URL('../support/soak-process.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(course)], {
    env: { ...process.env, NODE_V8_COVERAGE: '' },
    timeout: TIMEOUT_MS,
  });
  return JSON.parse(stdout) as SoakOutcome;
}

describe('the write path, for two million events', function () {
  this.timeout(TIMEOUT_MS + 5_000);
  let outcome: SoakOutcome;

  before(async () => {
    outcome = await soak({ engines: ENGINES, seed: 2026, events: 2_000_000, stages: STAGES });
    const { events, milliseconds, counts } = outcome;
    const title = `soak: ${events} events of ${ENGINES.length} engines, ${counts.restarts} restarts, ${counts.clears} clears, ${Math.round(milliseconds)} ms`;
    const rows = [1, 2, 3, 4].map(quarter => `  quarter ${quarter}   ${figuresOf(meanOf(quarter))}`);
    console.log([title, ...rows, `  all left    ${figuresOf(outcome.left)}`].join('\n'));
  });

  function meanOf(quarter: number): SoakSample {
    const samples = outcome.samples.slice(((quarter - 1) * STAGES) / 4, (quarter * STAGES) / 4);
    const mean = (name: keyof SoakSample) =>
      samples.reduce((sum, sample) => sum + sample[name], 0) / samples.length;
    return {
      heapBytes: mean('heapBytes'),
      indexBytes: mean('indexBytes'),
      runs: mean('runs'),
      blocks: mean('blocks'),
      entries: mean('entries'),
    };
  }

  it('does not grow, once it is warm', () => {
    const warm = meanOf(2);
    const last = meanOf(4);
    assert.isAtMost(last.heapBytes, warm.heapBytes + MAX_HEAP_GROWTH_BYTES);
    assert.isAtMost(last.indexBytes, warm.indexBytes * MAX_INDEX_GROWTH);
    assert.isAtMost(last.runs, warm.runs * MAX_INDEX_GROWTH);
    for (const { entries } of outcome.samples) assert.equal(entries, CACHE_BLOCKS);
  });

  it('heard of nothing but what happened', () => {
    const { told, counts, events } = outcome;
    assert.hasAllKeys(told, ['live', 'batch', 'stored', 'removed', 'cleared', 'restart']);
    assert.equal(told.cleared, counts.clears);
    assert.equal(told.restart, counts.restarts);
    assert.equal(told.stored! + told.removed! + told.cleared!, events);
  });

  it('holds what the caches hold, block for block', () => {
    assert.deepEqual(outcome.differences, []);
  });

  it('is empty when all have left', () => {
    const { entries, blocks, runs, indexBytes } = outcome.left;
    assert.deepEqual({ entries, blocks, runs }, { entries: 0, blocks: 0, runs: 0 });
    // The tables of hashes keep their buckets.
    assert.isBelow(indexBytes, outcome.samples.at(-1)!.indexBytes / 5);
  });
});

function figuresOf({ heapBytes, indexBytes, runs, blocks, entries }: SoakSample): string {
  const memory = `heap ${(heapBytes / MIB).toFixed(2)} MiB, index ${(indexBytes / 1_024).toFixed(1)} KiB`;
  return `${memory}, ${Math.round(runs)} runs, ${Math.round(blocks)} blocks, ${entries} entries`;
}
