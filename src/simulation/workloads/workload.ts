import { seededRandom } from '../random.ts';
import { Timeline } from '../timeline.ts';
import { TOKENS_PER_ID, type Trace, type TraceRequest } from '../trace/trace-request.ts';
import { Prompts } from './prompts.ts';

/** Traffic that is made up: the same requests for the same seed. */
export interface Workload {
  readonly name: string;
  /** What it is, in two sentences at the most. */
  readonly description: string;
  readonly start: (stage: Stage) => void;
  /** The first of its ids: workloads that are played at once share nothing. */
  readonly firstId: number;
}

/** What a workload is made with. */
export interface Stage {
  readonly timeline: Timeline;
  readonly draw: Draw;
  readonly prompts: Prompts;
  /** A request comes now. */
  readonly send: (request: Omit<TraceRequest, 'atMs' | 'tokensPerId'>) => void;
}

/** Random numbers of the usual kinds. */
export class Draw {
  readonly uniform: () => number;

  constructor(seed: number) {
    this.uniform = seededRandom(seed);
  }

  /** From `least` to `most`, both possible. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.uniform() * (most - least + 1));
  }

  /** A whole number whose logarithm is uniform: many small ones, few large ones. */
  logUniform(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.uniform());
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.uniform());
  }

  /** From 0 to `count - 1`, rank r as often as 1 / (r + 1)^`exponent`. */
  zipf(count: number, exponent: number): () => number {
    const sums = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      sum += (rank + 1) ** -exponent;
      sums[rank] = sum;
    }
    return () => {
      const drawn = this.uniform() * sum;
      let from = 0;
      let to = count - 1;
      while (from < to) {
        const middle = (from + to) >> 1;
        if (sums[middle]! < drawn) from = middle + 1;
        else to = middle;
      }
      return from;
    };
  }
}

/** Calls `arrive` again and again, after times that are distributed as independent arrivals are. */
export function arrivals({ timeline, draw }: Stage, meanMs: number, arrive: () => void): void {
  timeline.at(timeline.now + draw.exponential(meanMs), () => {
    arrive();
    arrivals({ timeline, draw } as Stage, meanMs, arrive);
  });
}

/** So many minutes of a workload. */
export function traceOf(workload: Workload, seed: number, minutes: number): Trace {
  return { [Symbol.asyncIterator]: () => requestsOf(workload, seed, 60_000 * minutes) };
}

async function* requestsOf(
  { start, firstId }: Workload,
  seed: number,
  untilMs: number,
): AsyncGenerator<TraceRequest> {
  const timeline = new Timeline();
  const sent: TraceRequest[] = [];
  start({
    timeline,
    draw: new Draw(seed),
    prompts: new Prompts(firstId),
    send: request => sent.push({ atMs: timeline.now, tokensPerId: TOKENS_PER_ID, ...request }),
  });
  while (!timeline.isEmpty) {
    timeline.runNext();
    if (timeline.now > untilMs) return;
    yield* sent.splice(0);
  }
}
