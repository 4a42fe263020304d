import { assert } from 'chai';
import { mooncakeLine, parseJsonLine } from '../../../src/simulation/trace/mooncake.ts';
import { ReachableTokens } from '../../../src/simulation/trace/reachable.ts';
import type { TraceRequest } from '../../../src/simulation/trace/trace-request.ts';
import { Draw } from '../../../src/simulation/workloads/workload.ts';
import { traceOf, WORKLOADS, type Workload } from '../../../src/simulation/workloads/workloads.ts';

describe('generated workloads', () => {
  for (const workload of Object.values(WORKLOADS)) {
    it(`${workload.name} are the same for the same seed, and others for another`, async () => {
      const [one, again, other] = [
        await minute(workload, 1),
        await minute(workload, 1),
        await minute(workload, 2),
      ];
      assert.deepEqual(one, again);
      assert.notDeepEqual(one, other);
    });

    it(`${workload.name} are in order, fit Mooncake’s format, and share beginnings`, async () => {
      const all = await minute(workload, 3);
      const reachable = new ReachableTokens(16);
      let shared = 0;
      let total = 0;
      for (const [i, request] of all.entries()) {
        assert.isTrue(i === 0 || request.atMs >= all[i - 1]!.atMs);
        const { atMs, outputTokens, prompt } = mooncakeLine(parseJsonLine(lineOf(request)));
        assert.deepEqual({ ...prompt, atMs, outputTokens }, request);
        shared += reachable.add(request);
        total += request.inputTokens;
      }
      assert.isAbove(shared, total / 3);
      assert.isAtMost(all.at(-1)!.atMs, 60_000);
    });
  }

  it('share nothing with one another', async () => {
    const ids = new Map<number, string>();
    for (const workload of Object.values(WORKLOADS)) {
      for (const { hashIds } of await minute(workload, 1)) {
        for (const id of hashIds) assert.equal(ids.get(id) ?? workload.name, workload.name);
        for (const id of hashIds) ids.set(id, workload.name);
      }
    }
  });
});

describe('random draws', () => {
  it('of ranks have the most popular first', () => {
    const draw = new Draw(1);
    const rank = draw.zipf(10, 1);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) counts[rank()]!++;
    const sum = Array.from({ length: 10 }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
    counts.forEach((count, i) => {
      assert.approximately(count / 20_000, 1 / (i + 1) / sum, 0.01);
    });
  });
});

async function minute(workload: Workload, seed: number): Promise<TraceRequest[]> {
  const all: TraceRequest[] = [];
  for await (const request of traceOf(workload, seed, 1)) all.push(request);
  return all;
}

function lineOf({ atMs, inputTokens, outputTokens, hashIds }: TraceRequest): string {
  return JSON.stringify({
    timestamp: atMs,
    input_length: inputTokens,
    output_length: outputTokens,
    hash_ids: hashIds,
  });
}
