import type { ClientError, Decision } from '../domain.ts';
import type { Route, RouteOutcome, RouteRequest } from './route-request.ts';

/**
 * For gateways that send a request nowhere unless a pod is named (`unroutable: 'any_pod'`): what names no model, or none that is
 * served, goes to the least loaded of all pods, and the engine says what is wrong with it. Where its beginning names a model that is served,
 * to one of that model's. So does what asks for a strategy and would go on without a decision: whoever asks for one gets a pod.
 */
export function withAnyPod(route: Route): Route {
  return (request, signal) =>
    request.extent === 'any_pod' || !asksForAPod(request)
      ? route(request, signal)
      : routeOrAnyPod(request, signal);

  async function routeOrAnyPod(request: RouteRequest, signal: AbortSignal): Promise<RouteOutcome> {
    const outcome = await route(request, signal);
    return needsAnyPod(outcome.decision, request) ? route(anyPodFor(request), signal) : outcome;
  }
}

function asksForAPod({ unroutable, strategy }: RouteRequest): boolean {
  return unroutable === 'any_pod' || Boolean(strategy?.trim());
}

function needsAnyPod(decision: Decision, { unroutable }: RouteRequest): boolean {
  switch (decision.kind) {
    case 'routed':
    case 'passed':
      return false;
    case 'undecided':
      return true;
    case 'rejected':
      return unroutable === 'any_pod' && ANY_POD_MAY_ANSWER.has(decision.error.kind);
  }
}

/** The client's mistakes that an engine can tell as well. */
const ANY_POD_MAY_ANSWER: ReadonlySet<ClientError['kind']> = new Set(['malformed_body', 'unknown_model']);

/** Clients that name the model first name it here. */
const BEGINNING_BYTES = 64 * 1024;

function anyPodFor(request: RouteRequest): RouteRequest {
  return { ...request, body: request.body.subarray(0, BEGINNING_BYTES), extent: 'any_pod' };
}
