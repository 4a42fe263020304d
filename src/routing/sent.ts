/** A request on its way: what it counts for meanwhile, and what is changed about that by how it goes. */
import type { Pod, RoutedDecision } from '../domain.ts';
import type { Answer, Outcome, PodsHealth, Visibility } from '../health/pods-health.ts';
import type { Predicted } from './confirmations.ts';
import type { Load } from './load.ts';

/** See `RouteOutcome`. */
export interface Sent {
  /** Returns who serves it; undefined: no pod that is known. */
  answered(answer: Answer): Pod | undefined;
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
 * hold its prompt, and whoever served it in its place is: it is counted there from then on, and nowhere if that is no pod that is known.
 * @param kind which requests take about as long until they are answered
 * @param prompt undefined: it is not known
 */
export function send(
  { load, health }: SentParts,
  { pod: picked }: RoutedDecision,
  { visibility, kind }: { readonly visibility: Visibility; readonly kind: string },
  prompt: PromptMeaning | undefined,
): Sent {
  let lease = load.begin(picked);
  const sent = health.sent(picked, visibility, kind);
  const predicted = visibility === 'watched' ? prompt?.predict(picked) : undefined;
  let takeBack = prompt?.remember(picked);
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
      const server = serverOf(outcome, picked);
      if (server !== picked) {
        lease.release();
        if (server !== undefined) {
          prompt?.remember(server);
          lease = load.begin(server);
        }
      }
      prompt = takeBack = undefined;
      return server;
    },
    release() {
      lease.release();
      predicted?.ended();
      if (sent.ended() === 'lost') failed();
    },
  };
}

function serverOf(outcome: Outcome, picked: Pod): Pod | undefined {
  switch (outcome.kind) {
    case 'served':
    case 'failed':
      return picked;
    case 'served_by_other':
      return outcome.other;
    case 'served_by_stranger':
      return undefined;
  }
}
