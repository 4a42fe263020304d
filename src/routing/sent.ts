/** A request on its way: what it counts for meanwhile, and what is changed about that by how it goes. */
import type { Pod, RoutedDecision } from '../domain.ts';
import type { Answer, PodsHealth, Visibility } from '../health/pods-health.ts';
import type { Load } from './load.ts';

/** See `RouteOutcome`. */
export interface Sent {
  answered(answer: Answer): void;
  release(): void;
}

export interface SentParts {
  readonly load: Load;
  readonly health: Pick<PodsHealth, 'sent'>;
}

/**
 * Counts the request as in flight at its pod, and its prompt as held there soon. Whoever failed the request is not expected to
 * hold its prompt, and whoever served it in its place is.
 * @param kind which requests take about as long until they are answered
 * @param remember expects the prompt of a pod; returns how to take that back. undefined: the prompt is not known
 */
export function send(
  { load, health }: SentParts,
  { pod }: RoutedDecision,
  { visibility, kind }: { readonly visibility: Visibility; readonly kind: string },
  remember: ((pod: Pod) => () => void) | undefined,
): Sent {
  let lease = load.begin(pod);
  const sent = health.sent(pod, visibility, kind);
  let takeBack = remember?.(pod);
  // Most outcomes are not seen, and a long prompt's blocks are not to be kept as long as its generation lasts.
  if (visibility === 'unwatched') remember = takeBack = undefined;

  function failed(): void {
    takeBack?.();
    takeBack = undefined;
  }

  return {
    answered(answer) {
      const outcome = sent.answered(answer);
      if (outcome.kind !== 'served') failed();
      if (outcome.kind === 'served_by_other') {
        remember?.(outcome.other);
        lease.release();
        lease = load.begin(outcome.other);
      }
      remember = takeBack = undefined;
    },
    release() {
      lease.release();
      if (sent.ended() === 'lost') failed();
    },
  };
}
