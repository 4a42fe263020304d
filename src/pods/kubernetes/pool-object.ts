import { z } from 'zod';

/** What is kept of an InferencePool (inference.networking.k8s.io/v1). */
export interface PoolObject {
  /** Labels that its pods have, all of them, as a label selector. */
  readonly selector: string;
  /** Each is an endpoint of its own of every pod. */
  readonly ports: readonly number[];
}

/** The API allows eight. */
const MAX_PORTS = 64;
const port = z.int().min(1).max(65_535);

const poolSchema = z.object({
  spec: z.object({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    targetPorts: z
      .array(z.object({ number: port }))
      .min(1)
      .max(MAX_PORTS),
  }),
});

/** undefined: this is no InferencePool, or one that pods cannot be found by. */
export function readPool(raw: unknown): PoolObject | undefined {
  const { data } = poolSchema.safeParse(raw);
  if (data === undefined) return undefined;
  const { selector, targetPorts } = data.spec;
  const requirements = Object.entries(selector.matchLabels).map(([key, value]) => `${key}=${value}`);
  return {
    selector: requirements.sort().join(','),
    ports: [...new Set(targetPorts.map(({ number }) => number))],
  };
}
