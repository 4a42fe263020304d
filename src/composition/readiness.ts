/** Whether requests may come, and if not, what is missing. */
import type { EventFeed } from '../events/event-feed.ts';
import type { PodRegistry } from '../pods/registry.ts';
import type { Discovery } from './discovering.ts';
import type { Warmup } from './warmup.ts';

export type Phase = 'starting' | 'serving' | 'stopping';

export interface ReadinessParts {
  readonly registry: PodRegistry;
  readonly warmup: Warmup;
  readonly feed: EventFeed;
  readonly discovery: Pick<Discovery, 'missing'>;
}

export interface Readiness {
  readonly ready: boolean;
  /** In words for the operator. */
  readonly why: string;
}

export function readinessIn(
  phase: Phase,
  { registry, warmup, feed, discovery: { missing } }: ReadinessParts,
): Readiness {
  if (phase !== 'serving') return { ready: false, why: phase };
  if (missing !== undefined) return { ready: false, why: missing };
  if (!registry.ready) return { ready: false, why: 'no pod is known' };
  if (warmup.isOver) return { ready: true, why: 'ok' };
  const { settled, publishers } = feed.progress;
  return { ready: false, why: `warming up: ${settled} of ${publishers} event streams are learned` };
}
