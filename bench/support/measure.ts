/** What the bench measures, and what it is to reach. */
import type { Peers } from './peers.ts';

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What to reach, of the value itself or of its ratio; undefined: reported only. */
  readonly reach:
    | { readonly of: 'value' | 'ratio'; readonly must: 'at least' | 'at most'; readonly number: number }
    | undefined;
  /** The value divided by that of a baseline in the same minutes. */
  readonly ratio: { readonly value: number; readonly to: string } | undefined;
  readonly workload: string;
}

export interface Bench {
  /** Path of a request trace; undefined: one of the same shape is made. */
  readonly trace: string | undefined;
  readonly peers: Peers;
  /** Directory of a model's tokenizer files; undefined: what needs them is skipped. */
  readonly tokenizer: string | undefined;
  /** A `node_modules` with libraries that we are compared with. */
  readonly libraries: string | undefined;
  /** A real vLLM with render endpoints, and a tokenizer of the same family. */
  readonly vllm: { readonly url: string; readonly model: string } | undefined;
}

/** Some rows that come from one workload. */
export interface Measure {
  readonly name: string;
  readonly run: (bench: Bench) => Promise<Row[]>;
}

/** undefined: there is nothing to reach, or nothing that it could be compared with. */
export function isReached({ value, reach, ratio }: Row): boolean | undefined {
  const reached = reach?.of === 'value' ? value : ratio?.value;
  if (reach === undefined || reached === undefined) return undefined;
  return reach.must === 'at least' ? reached >= reach.number : reached <= reach.number;
}

export const atLeast = (number: number) => ({ of: 'value', must: 'at least', number }) as const;
export const atMost = (number: number) => ({ of: 'value', must: 'at most', number }) as const;
/** Of what the baseline has. */
export const timesAtLeast = (number: number) => ({ of: 'ratio', must: 'at least', number }) as const;
export const timesAtMost = (number: number) => ({ of: 'ratio', must: 'at most', number }) as const;

/** `own` beside what a baseline has; without one, undefined. */
export function ratioTo(to: string, own: number, baseline: number | undefined): Row['ratio'] {
  return baseline === undefined ? undefined : { value: own / baseline, to };
}
