/** A request on its way: what it counts for meanwhile, and what is changed about that by how it goes. */
import type { Pod, RoutedDecision } from '../domain.ts';
import type { Answer, Outcome, PodsHealth, Visibility } from '../health/pods-health.ts';
import type { PromptTokens } from './choice/choice.ts';
import type { Predicted } from './confirmations.ts';
import type { Load } from './load.ts';
import type { TokenWork } from './work/token-work.ts';

/** See `RouteOutcome`. */
export interface Sent {
  /** Returns who serves it; undefined: no pod that is known. */
  answered(answer: Answer): Pod | undefined;
  release(): void;
}

export interface SentParts {
  readonly load: Load;
  readonly work: Pick<TokenWork, 'routed'>;
  readonly health: Pick<PodsHealth, 'sent'>;
}

/** What the prompt of a request means for the pod that gets it. */
export interface PromptMeaning {
  readonly tokens: PromptTokens;
  /** undefined: nobody could recognize it. */
  readonly held: HeldPrompt | undefined;
}

export interface HeldPrompt {
  /** The pod will hold it soon. Returns how to take that back. */
  remember(pod: Pod): () => void;
  /** Asked before anything is remembered. undefined: nobody compares what comes of it. */
  predict(pod: Pod): Predicted | undefined;
}

/**
 * Counts the request as in flight at its pod, and its prompt as held there soon. Whoever failed the request is not expected to
 * hold its prompt, and whoever served it in its place is: it is counted there from then on, and nowhere if that is no pod that is known.
 * @param kind which requests take about as long until they are answered
 */
export function send(
  { load, work, health }: SentParts,
  { pod: picked }: RoutedDecision,
  { visibility, kind }: { readonly visibility: Visibility; readonly kind: string },
  { tokens, held }: PromptMeaning,
): Sent {
  let lease = load.begin(picked);
  let working = work.routed(picked, tokens.uncached);
  const sent = health.sent(picked, visibility, kind);
  const predicted = visibility === 'watched' ? held?.predict(picked) : undefined;
  let takeBack = held?.remember(picked);
  // Most outcomes are not seen, and a long prompt's blocks are not to be kept as long as its generation lasts.
  if (visibility === 'unwatched') held = takeBack = undefined;

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
        working.ended();
        if (server !== undefined) {
          held?.remember(server);
          lease = load.begin(server);
          // Nobody has looked what this one holds.
          working = work.routed(server, tokens.all);
        }
      }
      held = takeBack = undefined;
      return server;
    },
    release() {
      lease.release();
      working.ended();
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
