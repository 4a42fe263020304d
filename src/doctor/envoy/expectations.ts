/** What of the router's configuration has to agree with Envoy's. Milliseconds and bytes. */
export interface EnvoyExpectations {
  readonly decisionTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly drainMs: number;
  readonly grpcIdleMs: number;
  readonly tls: 'off' | 'self-signed' | 'files';
}
