import { setImmediate } from 'node:timers/promises';
import { TokenWork } from '../routing/work/token-work.ts';
import { Sequence } from './engine/sequence.ts';
import { createFleet, type FleetOptions } from './fleet.ts';
import { type Measured, Measures } from './measures.ts';
import type { NamedPolicy } from './policy.ts';
import { seededRandom } from './random.ts';
import { Router } from './router.ts';
import { Timeline } from './timeline.ts';
import { ReachableTokens } from './trace/reachable.ts';
import type { Trace, TraceRequest } from './trace/trace-request.ts';
import { originsOf } from './zones.ts';

/** One policy on one trace. */
export interface Run extends FleetOptions {
  readonly policy: NamedPolicy;
  readonly trace: Trace;
  /** Of the policy's random choices. */
  readonly seed: number;
  /** Requests that arrive before are played and not measured. */
  readonly warmUpMs: number;
  /** Ends it with an error. */
  readonly signal?: AbortSignal;
}

/** Requests after which the event loop gets its turn: signals come by it. */
const REQUESTS_PER_TURN = 64;
const TASKS_PER_TURN = 4_096;

export interface RunResult extends Measured {
  /** Of all requests, from their arrival to their first token; sorted. */
  readonly firstTokensMs: Float64Array;
}

/** What is known of a request under way. */
interface Exchange {
  readonly arrivedAtMs: number;
  readonly predictedTokens: number;
  /** Between the client and the pod and back. */
  readonly networkMs: number;
  readonly end: () => void;
  readonly measures: Measures;
}

/**
 * Plays a trace in virtual time: each request is looked up in the real index, a pod is picked from the real snapshot, and its engine computes
 * it step by step and tells the index. No clock and no timer is asked: the same run gives the same result.
 */
export async function simulate(run: Run): Promise<RunResult> {
  const { blockSizeTokens } = run;
  const timeline = new Timeline();
  const work = new TokenWork(() => timeline.now);
  const measures = new Measures();
  const unmeasured = new Measures();
  const reachable = new ReachableTokens(blockSizeTokens);
  const exchanges = new Map<Sequence, Exchange>();
  const listener = {
    admitted(sequence: Sequence) {
      const { measures, arrivedAtMs, predictedTokens } = exchanges.get(sequence)!;
      measures.admitted(sequence, timeline.now - arrivedAtMs, predictedTokens);
    },
    firstToken(sequence: Sequence) {
      const { measures, arrivedAtMs, networkMs } = exchanges.get(sequence)!;
      measures.gotFirstToken(timeline.now - arrivedAtMs + networkMs);
    },
    ended(sequence: Sequence) {
      const { measures, arrivedAtMs, networkMs, end } = exchanges.get(sequence)!;
      exchanges.delete(sequence);
      end();
      measures.ended(timeline.now - arrivedAtMs + networkMs);
    },
  };
  const fleet = createFleet(run, timeline, work, listener);
  const { engines } = fleet;
  const router = new Router({
    ...{ fleet, work, blockSizeTokens },
    policy: run.policy.create(),
    random: seededRandom(run.seed),
    expectation: run.expectedBlocksTtlMs > 0 ? 'remembered' : 'none',
  });
  const nextOrigin = originsOf(run.zones, run.seed);
  let number = 0;

  const readMetrics = () => {
    fleet.readMetrics();
    timeline.at(timeline.now + metricsIntervalMs, readMetrics);
  };
  const metricsIntervalMs = run.policy.metricsIntervalMs ?? run.metricsIntervalMs;
  timeline.at(metricsIntervalMs, readMetrics);

  function arrive(request: TraceRequest): void {
    const sequence = new Sequence(number++, request);
    const ofRequest = timeline.now < run.warmUpMs ? unmeasured : measures;
    ofRequest.arrived(sequence, reachable.add(request));
    const { index, leavesZone, predictedTokens, send } = router.pick(request, nextOrigin());
    const engine = engines[index]!;
    if (!engine.scheduler.accepts(sequence)) {
      ofRequest.refused();
      return;
    }
    const arrivedAtMs = timeline.now;
    if (leavesZone) ofRequest.leftZone();
    const networkMs = leavesZone ? run.zones.latencyMs : 0;
    exchanges.set(sequence, { arrivedAtMs, predictedTokens, networkMs, end: send(), measures: ofRequest });
    engine.submit(sequence);
  }

  for await (const request of run.trace) {
    timeline.advanceTo(request.atMs);
    arrive(request);
    if (number % REQUESTS_PER_TURN === 0) await turn(run.signal);
  }
  for (let tasks = 1; exchanges.size > 0; tasks++) {
    timeline.runNext();
    if (tasks % TASKS_PER_TURN === 0) await turn(run.signal);
  }
  const endMs = timeline.now;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return {
    ...measures.measured(
      engines.map(({ computedTokens }) => computedTokens),
      {
        preemptions: sum(engines.map(({ scheduler }) => scheduler.preemptions)),
        endMs,
        utilization:
          endMs === 0 ? 0 : sum(engines.map(({ prefillMs }) => prefillMs)) / (endMs * engines.length),
      },
    ),
    firstTokensMs: measures.firstTokensMs,
  };
}

async function turn(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}
