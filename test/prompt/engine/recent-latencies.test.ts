import { assert } from 'chai';
import { RecentLatencies } from '../../../src/prompt/engine/recent-latencies.ts';

const UNKNOWN_MS = 100;

function noted(...notes: readonly (readonly [bytes: number, ms: number, times: number])[]): RecentLatencies {
  const latencies = new RecentLatencies();
  for (const [bytes, ms, times] of notes) for (let i = 0; i < times; i++) latencies.note(bytes, ms);
  return latencies;
}

describe('RecentLatencies', () => {
  const rows: [string, RecentLatencies, bytes: number, slowAfterMs: number][] = [
    ['does not know without calls', noted(), 500, UNKNOWN_MS],
    ['does not know from three', noted([500, 20, 3]), 500, UNKNOWN_MS],
    ['is a quarter above what is usual', noted([500, 20, 4]), 500, 25],
    ['does not make much of one that was slow', noted([500, 20, 31], [500, 900, 1]), 500, 25],
    ['makes much of some that were', noted([500, 20, 29], [500, 80, 3]), 500, 100],
    ['forgets', noted([500, 900, 32], [500, 20, 32]), 500, 25],
    ['is never so short that timers decide', noted([500, 0.1, 32]), 500, 10],
    ['is the same for prompts of about the same size', noted([1025, 20, 8]), 4096, 25],
    ['is not that of shorter prompts', noted([1024, 20, 8]), 1025, UNKNOWN_MS],
    ['is not that of longer prompts', noted([100_000, 400, 8]), 1024, UNKNOWN_MS],
    ['has a class for everything', noted([2 ** 60, 400, 8], [0, 20, 8]), 2 ** 61, 500],
  ];
  for (const [title, latencies, bytes, expected] of rows) {
    it(title, () => assert.equal(latencies.slowAfterMs(bytes), expected));
  }
});
