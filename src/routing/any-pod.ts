import type { Decision } from '../domain.ts';
import type { Route, RouteOutcome, RouteRequest } from './route.ts';

/**
 * For gateways that send a request nowhere unless a pod is named (`unroutable: 'any_pod'`): what names no model, or none that is
 * served, goes to the least loaded of all pods, and the engine says what is wrong with it. Where its beginning names a model that is served,
 * to one of that model's.
 */
export function withAnyPod(route: Route): Route {
  return (request, signal) =>
    request.unroutable === 'reject' || request.extent === 'any_pod'
      ? route(request, signal)
      : routeOrAnyPod(request, signal);

  async function routeOrAnyPod(request: RouteRequest, signal: AbortSignal): Promise<RouteOutcome> {
    const outcome = await route(request, signal);
    return isRoutable(outcome.decision) ? outcome : route(anyPodFor(request), signal);
  }
}

function isRoutable(decision: Decision): boolean {
  if (decision.kind === 'rejected')
    return decision.error.kind !== 'malformed_body' && decision.error.kind !== 'unknown_model';
  return decision.kind === 'routed';
}

/** Clients that name the model first name it here. */
const BEGINNING_BYTES = 64 * 1024;

function anyPodFor(request: RouteRequest): RouteRequest {
  return { ...request, body: request.body.subarray(0, BEGINNING_BYTES), extent: 'any_pod' };
}
