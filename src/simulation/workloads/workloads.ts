import { agents } from './agents.ts';
import { bursts } from './bursts.ts';
import { rag } from './rag.ts';
import { tenants } from './tenants.ts';
import type { Workload } from './workload.ts';

export { traceOf, type Workload } from './workload.ts';

/** By name. */
export const WORKLOADS: Readonly<Record<string, Workload>> = { agents, tenants, rag, bursts };
