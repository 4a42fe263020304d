import { assert } from 'chai';
import fc from 'fast-check';
import { TokenWork } from '../../src/routing/work/token-work.ts';
import { Sequence } from '../../src/simulation/engine/sequence.ts';
import { createFleet, type FleetOptions } from '../../src/simulation/fleet.ts';
import { type NamedPolicy, type WorkSnapshot, withoutAccount } from '../../src/simulation/policy.ts';
import { jsonOf, policyResult } from '../../src/simulation/report/results.ts';
import { routerPolicy } from '../../src/simulation/router-policies.ts';
import { type Run, simulate } from '../../src/simulation/simulate.ts';
import { Timeline } from '../../src/simulation/timeline.ts';
import type { Trace, TraceRequest } from '../../src/simulation/trace/trace-request.ts';
import { traceOf, WORKLOADS } from '../../src/simulation/workloads/workloads.ts';
import { BLOCK, FLEET } from './support.ts';

/** Requests that share beginnings, some of them at one time. */
const requests = fc.array(
  fc.record({
    gapMs: fc.nat(40),
    first: fc.nat(3),
    more: fc.nat(3),
    inputTokens: fc.integer({ min: 1, max: 2_000 }),
    outputTokens: fc.integer({ min: 1, max: 60 }),
  }),
  { minLength: 1, maxLength: 40, size: 'max' },
);

function traceWith(
  drawn: readonly { gapMs: number; first: number; more: number; inputTokens: number; outputTokens: number }[],
): TraceRequest[] {
  let atMs = 0;
  return drawn.map(({ gapMs, first, more, inputTokens, outputTokens }, i) => {
    atMs += gapMs;
    const ids = [first, 10 + more, 20 + more, 100 + i];
    const hashIds = ids.slice(0, Math.ceil(inputTokens / 512));
    return { atMs, inputTokens, outputTokens, tokensPerId: 512, hashIds };
  });
}

function listed(all: readonly TraceRequest[]): Trace {
  return {
    async *[Symbol.asyncIterator]() {
      yield* all;
    },
  };
}

function runOf(all: readonly TraceRequest[], policy = 'prefix-cache', more: Partial<Run> = {}): Run {
  return { ...FLEET, policy: routerPolicy(policy), trace: listed(all), seed: 1, warmUpMs: 0, ...more };
}

describe('a simulation', () => {
  it('ends every request, and computes what is not cached', async () => {
    await fc.assert(
      fc.asyncProperty(
        requests,
        fc.constantFrom('prefix-cache', 'random', 'least-kv-cache'),
        async (drawn, policy) => {
          const all = traceWith(drawn);
          const result = await simulate(runOf(all, policy));
          const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
          assert.equal(result.requests, all.length);
          assert.lengthOf(result.firstTokensMs, all.length);
          assert.equal(result.promptTokens, sum(all.map(({ inputTokens }) => inputTokens)));
          if (result.preemptions === 0) {
            assert.equal(result.cachedTokens + sum(result.computedTokens), result.promptTokens);
          }
          assert.isAtMost(result.cachedTokens, result.reachableTokens);
          assert.isTrue(result.firstTokensMs.every(ms => ms >= FLEET.cost.stepMs));
        },
      ),
      { numRuns: 15 },
    );
  });

  it('gives the same bytes for the same seed, and others for another', async () => {
    const run = async (seed: number) => {
      const trace = traceOf(WORKLOADS.tenants!, 7, 0.05);
      const result = await simulate(runOf([], 'random', { trace, seed }));
      return jsonOf({
        setup: { ...FLEET, traces: [], load: 1, minutes: 1, warmUpMs: 0 },
        runs: [policyResult('random', seed, result)],
      });
    };
    assert.equal(await run(1), await run(1));
    assert.notEqual(await run(1), await run(2));
  });

  it('knows of a prompt what its events have said, and before them what was routed', async () => {
    const seen: number[][] = [];
    const policy: NamedPolicy = {
      name: 'first',
      create: () =>
        withoutAccount(({ matchedBlocks }) => {
          seen.push([...Array.from(matchedBlocks)]);
          return 0;
        }),
    };
    const at = (atMs: number): TraceRequest => ({
      atMs,
      inputTokens: 512,
      outputTokens: 1,
      tokensPerId: 512,
      hashIds: [1],
    });
    await simulate({ ...runOf([at(0), at(1)]), policy });
    assert.deepEqual(seen, [
      [0, 0, 0],
      [32, 0, 0],
    ]);
    seen.length = 0;
    // A step takes 1.5 ms, and its events 5 ms more.
    await simulate({ ...runOf([at(0), at(6), at(7)]), policy, expectedBlocksTtlMs: 0 });
    assert.deepEqual(seen, [
      [0, 0, 0],
      [0, 0, 0],
      [32, 0, 0],
    ]);
  });

  it('shows each policy what waits, what decodes and what the metrics said', async () => {
    const seen: Pick<WorkSnapshot, 'queuedTokens' | 'decoding' | 'running'>[] = [];
    const usages: (number | undefined)[] = [];
    const policy: NamedPolicy = {
      name: 'first',
      metricsIntervalMs: 3,
      create: () =>
        withoutAccount(({ queuedTokens, decoding, running, engineLoad, pods }) => {
          seen.push({
            queuedTokens: [...Array.from(queuedTokens)],
            decoding: [...Array.from(decoding)],
            running: [...Array.from(running)],
          });
          const load = engineLoad(pods[0]!);
          usages.push(load.kind === 'known' ? load.running : undefined);
          return 0;
        }),
    };
    const at = (atMs: number, id: number): TraceRequest => ({
      atMs,
      inputTokens: 512,
      outputTokens: 30,
      tokensPerId: 512,
      hashIds: [id],
    });
    await simulate({ ...runOf([at(0, 1), at(1, 2), at(12, 3), at(200, 4)]), policy });
    assert.deepEqual(seen, [
      { queuedTokens: [0, 0, 0], decoding: [0, 0, 0], running: [0, 0, 0] },
      { queuedTokens: [512, 0, 0], decoding: [0, 0, 0], running: [1, 0, 0] },
      { queuedTokens: [0, 0, 0], decoding: [2, 0, 0], running: [2, 0, 0] },
      { queuedTokens: [0, 0, 0], decoding: [0, 0, 0], running: [0, 0, 0] },
    ]);
    assert.deepEqual(usages, [0, 0, 2, 0]);
  });

  it('counts as waiting what is not expected in the cache, and predicts no more than an engine reuses', async () => {
    const waiting: number[] = [];
    const policy: NamedPolicy = {
      name: 'first',
      create: () =>
        withoutAccount(({ queuedTokens }) => {
          waiting.push(queuedTokens[0]!);
          return 0;
        }),
    };
    const at = (atMs: number, hashIds: number[]): TraceRequest => ({
      atMs,
      inputTokens: 512 * hashIds.length,
      outputTokens: 1,
      tokensPerId: 512,
      hashIds,
    });
    const { accuracy } = await simulate({
      ...runOf([at(0, [1]), at(50, [1]), at(100, [1, 2]), at(100, [3])]),
      policy,
    });
    assert.deepEqual(waiting, [0, 0, 0, 512]);
    assert.equal(accuracy, 1);
  });

  it('gives a pod of half the speed, and of a small cache, what it has', async () => {
    const all = [{ atMs: 0, inputTokens: 1_000, outputTokens: 1, tokensPerId: 512, hashIds: [1, 2] }];
    const [usual, slow] = await Promise.all([[1], [0.5]].map(speeds => simulate({ ...runOf(all), speeds })));
    assert.equal(slow!.firstTokenMs.mean, 2 * usual!.firstTokenMs.mean);
    const small = await simulate({ ...runOf(all), pods: 1, capacityTokens: [512] });
    assert.deepEqual([small.requests, small.refused, small.firstTokensMs.length], [1, 1, 0]);
  });

  it('measures what comes after the warm-up, in caches that are warm', async () => {
    const at = (atMs: number): TraceRequest => ({
      atMs,
      inputTokens: 512,
      outputTokens: 1,
      tokensPerId: 512,
      hashIds: [1],
    });
    const run = { ...runOf([at(0), at(50), at(99), at(100), at(150)]), pods: 1, warmUpMs: 100 };
    const result = await simulate(run);
    assert.deepEqual([result.requests, result.firstTokensMs.length], [2, 2]);
    assert.deepEqual([result.cachedTokens, result.reachableTokens], [992, 992]);
  });

  it('ends early when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    const error = await simulate({ ...runOf([]), trace: traceOf(WORKLOADS.tenants!, 1, 1), signal }).catch(
      (reason: Error) => reason,
    );
    assert.equal((error as Error).message, 'enough');
  });

  it('leaves the index with what the engines hold once all events are there', () => {
    const options: FleetOptions = { ...FLEET, capacityTokens: [2_560, 4_096], expectedBlocksTtlMs: 0 };
    fc.assert(
      fc.property(requests, drawn => {
        const timeline = new Timeline();
        const work = new TokenWork(() => timeline.now);
        const listener = { admitted() {}, firstToken() {}, ended() {} };
        const { engines, pods, cache, hasher } = createFleet(options, timeline, work, listener);
        const sequences = traceWith(drawn).map((request, i) => new Sequence(i, request));
        sequences.forEach((sequence, i) => {
          timeline.advanceTo(sequence.request.atMs);
          engines[i % engines.length]!.submit(sequence);
        });
        while (!timeline.isEmpty) timeline.runNext();
        const form = { sizeTokens: BLOCK, lookaheadTokens: 0 };
        const root = hasher.root({ space: 'engine', model: 'model', salt: '' }, form);
        const chains = sequences.map(sequence => {
          const { tokens, lanes } = sequence.content(engines[0]!.naming);
          return { engineLanes: lanes, chain: hasher.chain(root, tokens, BLOCK) };
        });
        engines.forEach(({ scheduler }, i) => {
          assert.equal(scheduler.cache.free, scheduler.cache.blocks);
          const holder = cache.holders.find(pods[i]!.name, { kind: 'gpu', rank: 0 })!;
          assert.equal(cache.index.held(holder), new Set([...scheduler.cache.contents()].map(String)).size);
          for (const { engineLanes, chain } of chains) {
            const held = cache.index.find(chain).depthOf(holder);
            assert.equal(held, scheduler.cache.prefix(engineLanes, chain.length).length);
          }
        });
      }),
      { numRuns: 15 },
    );
  });

  describe('of several zones', () => {
    const all = Array.from({ length: 60 }, (_, i) => {
      return { atMs: 20 * i, inputTokens: 512, outputTokens: 4, tokensPerId: 512, hashIds: [i] };
    });
    const zones = { count: 3, penaltyMs: 10, latencyMs: 0 };
    const simulated = (policy: NamedPolicy, latencyMs: number) =>
      simulate({ ...runOf(all), policy, pods: 6, zones: { ...zones, latencyMs } });

    it('has requests from any of them, whose network takes its time where they leave it', async () => {
      const near = await simulated(routerPolicy('random'), 0);
      assert.isAbove(near.otherZone, 0.5);
      assert.isBelow(near.otherZone, 0.8);
      const far = await simulated(routerPolicy('random'), 100);
      assert.equal(far.otherZone, near.otherZone);
      for (const measure of ['firstTokenMs', 'requestMs'] as const)
        assert.closeTo(far[measure].mean - near[measure].mean, 100 * far.otherZone, 1e-6);
    });

    it('tells the policy what each pod costs the request', async () => {
      const local: NamedPolicy = {
        name: 'local',
        create: () =>
          withoutAccount(({ zonePenaltiesMs, pods }) => {
            assert.deepEqual(
              pods.map(({ zone }) => zone),
              ['zone-0', 'zone-1', 'zone-2', 'zone-0', 'zone-1', 'zone-2'],
            );
            const costs = Array.from(zonePenaltiesMs!);
            assert.sameMembers(costs, [0, 10, 10, 0, 10, 10]);
            return costs.indexOf(0);
          }),
      };
      assert.equal((await simulated(local, 100)).otherZone, 0);
    });

    it('is the same for a policy that does not look at them', async () => {
      const plain = await simulate(runOf(all));
      assert.equal(plain.otherZone, 0);
      const indifferent = await simulate({ ...runOf(all), zones });
      assert.deepEqual({ ...indifferent, otherZone: 0 }, plain);
    });
  });
});
