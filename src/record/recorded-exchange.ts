import type { Decision } from '../domain.ts';
import type { SampledAnswer, Steering } from '../routing/route.ts';

/** One request, from its decision on. All times are milliseconds. */
export interface RecordedExchange {
  /** When it was decided, by the monotonic clock. */
  readonly decidedAt: number;
  readonly decisionMs: number;
  /** Of a closed set. */
  readonly path: string;
  readonly decision: Decision;
  readonly steering: Steering;
  /** undefined: the prompt was not looked up, or has too many blocks. */
  readonly blocks: Uint32Array | undefined;
  /** undefined: not shown, or not yet. */
  answer: RecordedAnswer | undefined;
  /** What the answer's end says. undefined: it was not looked at. */
  sample: SampledAnswer | undefined;
  /** From when the decision was asked for to the end of the exchange. undefined: it goes on. */
  tookMs: number | undefined;
}

export interface RecordedAnswer {
  /** 0: the gateway does not say it. */
  readonly status: number;
  /** The pod's name. undefined: no pod that is known. */
  readonly servedBy: string | undefined;
  /** From when the decision was asked for to the answer's headers. */
  readonly answeredMs: number;
}

/** Of what is not a list. */
const FIXED_BYTES = 600;

/** What it takes of memory, about. */
export function bytesOf({ blocks }: RecordedExchange): number {
  return FIXED_BYTES + (blocks?.byteLength ?? 0);
}
