/** A request on its way: what it counts for meanwhile, and what is changed about that by how it goes. */
import type { Pod, RoutedDecision } from '../domain.ts';
import type { Answer, PodsHealth, Visibility } from '../health/pods-health.ts';
import type { Predicted } from './confirmations.ts';
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

/** What the prompt of a request means for the pod that gets it. */
export interface PromptMeaning {
  /** The pod will hold it soon. Returns how to take that back. */
  remember(pod: Pod): () => void;
  /** Asked before anything is remembered. undefined: nobody compares what comes of it. */
  predict(pod: Pod): Predicted | undefined;
}

/**
 * Counts the request as in flight at its pod, and its prompt as held there soon. Whoever failed the request is not expected to
 * hold its prompt, and whoever served it in its place is.
 * @param kind which requests take about as long until they are answered
 * @param prompt undefined: it is not known
 */
export function send(
  { load, health }: SentParts,
  { pod }: RoutedDecision,
  { visibility, kind }: { readonly visibility: Visibility; readonly kind: string },
  prompt: PromptMeaning | undefined,
): Sent {
  let lease = load.begin(pod);
  const sent = health.sent(pod, visibility, kind);
  const predicted = visibility === 'watched' ? prompt?.predict(pod) : undefined;
  let takeBack = prompt?.remember(pod);
  // Most outcomes are not seen, and a long prompt's blocks are not to be kept as long as its generation lasts.
  if (visibility === 'unwatched') prompt = takeBack = undefined;

  function failed(): void {
    takeBack?.();
    takeBack = undefined;
  }

  return {
    answered(answer) {
      const outcome = sent.answered(answer);
      if (outcome.kind !== 'served') failed();
      else if (answer.status >= 200 && answer.status < 300) predicted?.answered();
      if (outcome.kind === 'served_by_other') {
        prompt?.remember(outcome.other);
        lease.release();
        lease = load.begin(outcome.other);
      }
      prompt = takeBack = undefined;
    },
    release() {
      lease.release();
      predicted?.ended();
      if (sent.ended() === 'lost') failed();
    },
  };
}
