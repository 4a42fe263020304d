import type { handleServerStreamingCall, Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { EXTERNAL_PROCESSOR } from './protos.ts';

/** What liveness probes ask for: AIBrix's Deployment the server as a whole, the endpoint picker's by its name. */
export const LIVENESS_SERVICES = ['', 'liveness'] as const;
/**
 * What readiness probes and Envoy's health checks ask for: AIBrix's name, the endpoint picker's, the one in its manifests, and the
 * protocol's.
 */
export const READINESS_SERVICES = [
  'gateway-plugin',
  'readiness',
  'inference-extension',
  EXTERNAL_PROCESSOR,
] as const;

export type HealthStatus = 'SERVING' | 'NOT_SERVING';

type Watch = handleServerStreamingCall<{ readonly service: string }, { readonly status: string }>;
type WatchCall = Parameters<Watch>[0];

/** The library remembers each name that was ever watched, and strangers may watch any. */
function watch(call: WatchCall, known: Watch): void {
  const names: readonly string[] = [...LIVENESS_SERVICES, ...READINESS_SERVICES];
  if (names.includes(call.request.service)) known(call);
  else call.write({ status: 'SERVICE_UNKNOWN' });
}

/** The standard health service, the same on every port that it is on. Starts alive and not ready. */
export class GrpcHealth {
  readonly #service = new HealthImplementation();
  #isDraining = false;

  constructor() {
    this.#set(LIVENESS_SERVICES, 'SERVING');
    this.#set(READINESS_SERVICES, 'NOT_SERVING');
  }

  addTo(server: Server): void {
    this.#service.addToServer({
      addService: (definition, handlers) =>
        server.addService(definition, {
          ...handlers,
          watch: (call: WatchCall) => watch(call, handlers.watch as Watch),
        }),
    });
  }

  /** What the names of readiness are answered, until {@link drain}. */
  setReadiness(status: HealthStatus): void {
    if (!this.#isDraining) this.#set(READINESS_SERVICES, status);
  }

  /** NOT_SERVING from now on, whatever is asked for. */
  drain(): void {
    this.#isDraining = true;
    this.#set([...LIVENESS_SERVICES, ...READINESS_SERVICES], 'NOT_SERVING');
  }

  #set(services: readonly string[], status: HealthStatus): void {
    for (const service of services) this.#service.setStatus(service, status);
  }
}
