/** What is asked of the read path, and what comes of it. */
import type { ClientError, Decision, Pod } from '../domain.ts';
import type { Answer, Visibility } from '../health/pods-health.ts';
import type { Bounds } from './candidates.ts';
import type { Course } from './choice/course.ts';
import type { Session } from './policy.ts';
import type { Steering } from './rollout/steering.ts';

export type { Answer, Server, Visibility } from '../health/pods-health.ts';
export { type Session, sessionIdOf } from './policy.ts';
export { type Steering, type SteeringOf, whyLeft } from './rollout/steering.ts';

/** Why only the beginning of a body is there: the rest came too slowly, or there was no room for it. */
export type CutShort = 'late_body' | 'buffers_full';

/**
 * How much of a body there is to decide by: all, its beginning, or as good as none, since it cannot be read, or not in time.
 * `any_pod`: it does not matter, the request may go to any pod.
 */
export type BodyExtent = 'whole' | CutShort | 'unknown_encoding' | 'too_intricate' | 'deadline' | 'any_pod';

/** One request as Envoy's door hands it over: path and headers that matter, and the body. */
export interface RouteRequest extends Bounds {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** The `routing-strategy` header; undefined or blank means the configured strategy. */
  readonly strategy: string | undefined;
  readonly session: Session;
  /** Below 0: it may be dropped when there is too much to do. */
  readonly priority: number;
  readonly body: Uint8Array;
  readonly extent: BodyExtent;
  /** Whether `answered` of the outcome will be called once the pod has answered. */
  readonly response: Visibility;
  readonly sample: Sample;
  readonly steering: Steering;
  /** What becomes of it when its model is not known: an error, or any pod, since the gateway has no other for it. */
  readonly unroutable: 'reject' | 'any_pod';
  /** For logs, and for the response. */
  readonly requestId: string;
  /** W3C `traceparent` and `tracestate` of the caller, as far as given. */
  readonly trace: Readonly<Record<string, string>>;
}

/** Whether the body of an answer comes as it is. */
export type AnswerEncoding = 'plain' | 'encoded';

/** Whether a request is of those drawn at random whose answers are followed to their end. */
export type Sample = 'sampled' | 'not_sampled';

export interface RouteOutcome {
  readonly decision: Decision;
  /** How it came about; undefined: not by a choice, or somebody has taken it down already. */
  readonly course: Course | undefined;
  /**
   * The response has begun. At most once, before `release`. Returns who serves it; undefined: no pod that is known.
   * @param encoding default: `plain`
   */
  answered(answer: Answer, encoding?: AnswerEncoding): Pod | undefined;
  /** Takes the body of the answer, if its status is 200, as far as it is wanted. undefined: none of it is. */
  readonly readAnswer: ((part: Uint8Array) => 'more' | 'enough') | undefined;
  /** The exchange is over: ends the request's share of its pod's load. Harmless to repeat; nothing to do where no pod was picked. */
  release(): void;
}

/** Decides where a request goes. Never rejects; after the deadline, or when `signal` aborts, it decides by load. */
export type Route = (request: RouteRequest, signal: AbortSignal) => Promise<RouteOutcome>;

/** The same, with what others have spent of the time for the decision, in milliseconds. */
export type Decide = (request: RouteRequest, signal: AbortSignal, spentMs?: number) => Promise<RouteOutcome>;

export function undecided(): RouteOutcome {
  return withoutPod({ kind: 'undecided' });
}

export function rejected(error: ClientError): RouteOutcome {
  return withoutPod({ kind: 'rejected', error });
}

export function withoutPod(decision: Decision, course?: Course): RouteOutcome {
  return { decision, course, answered: () => undefined, readAnswer: undefined, release: () => {} };
}
