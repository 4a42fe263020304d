/** A decision as it is kept: what the read path said of it, and nothing that a client could make large. */
import type { ClientError, Decision, RoutedDecision } from '../domain.ts';
import { pathClassOf } from '../prompt/paths.ts';
import type { Course, RouteRequest, Steering } from '../routing/route.ts';
import type { ServedRecord } from './record.ts';

export interface KeptDecision {
  readonly id: string;
  readonly traceId: string | undefined;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly path: string;
  /** Of those that are served: any other name is a client's own. */
  readonly model: string | undefined;
  readonly outcome: Outcome;
  /** undefined: it was decided before there was a choice. */
  readonly course: Course | undefined;
  readonly tookMs: number;
  readonly steering: Steering;
  served: ServedRecord | undefined;
}

export type Outcome =
  | RoutedDecision
  | { readonly kind: 'rejected'; readonly error: ClientError['kind']; readonly why: string | undefined }
  /** `why`: what else becomes of it, in a sentence. */
  | { readonly kind: 'undecided' | 'passed'; readonly why: string | undefined };

/** What a decision is made of. */
export interface Decided {
  readonly request: Pick<RouteRequest, 'requestId' | 'path' | 'steering'>;
  readonly traceId: string | undefined;
  readonly atMs: number;
  readonly decision: Decision;
  readonly course: Course | undefined;
  readonly tookMs: number;
}

/** Of ids and names that clients choose. */
const MAX_CHARACTERS = 256;

export function keptDecision({ request, decision, course, ...times }: Decided): KeptDecision {
  const isKnown = decision.kind !== 'rejected' || decision.error.kind !== 'unknown_model';
  return {
    id: bounded(request.requestId),
    traceId: times.traceId,
    atMs: times.atMs,
    path: pathClassOf(request.path),
    model: isKnown ? course?.model : undefined,
    outcome: outcomeOf(decision),
    course: isKnown ? course : course && { ...course, model: undefined },
    tookMs: times.tookMs,
    steering: request.steering,
    served: undefined,
  };
}

function outcomeOf(decision: Decision): Outcome {
  switch (decision.kind) {
    case 'routed':
      return decision;
    case 'rejected':
      return { kind: 'rejected', error: decision.error.kind, why: whyOf(decision.error) };
    case 'undecided':
    case 'passed':
      return { kind: decision.kind, why: undefined };
  }
}

/** What is wrong with a request, where the words for it are our own. */
function whyOf(error: ClientError): string | undefined {
  return error.kind === 'malformed_body' ? bounded(error.message) : undefined;
}

/**
 * A text of its own. A long one is copied: a part of a string keeps all of it in memory, and what it was read from may be a request's
 * whole body.
 */
export function bounded(text: string, length = MAX_CHARACTERS): string {
  return text.length <= SURELY_WHOLE ? text : Buffer.from(text.slice(0, length)).toString();
}

const SURELY_WHOLE = 64;
